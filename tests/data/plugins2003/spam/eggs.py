"""As little as a plugin can be."""

import plugin


class X_Eggs(plugin.Co2Plugin):
    def receive(self, data_dict):
        self.log(self, 'eggs got %r' % (data_dict['data'],))
