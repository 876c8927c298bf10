"""A plugin written word for word by the text of 2003, in the syntax of Python 3.

Nothing here is made for this co2: if a change to co2 needs a change here, the change is wrong.
"""

import threading
import time

import plugin


class X_Ham(plugin.Co2Plugin):
    """subclasses plugin.Co2Plugin, and has a name that begins with 'X_'"""

    def __init__(self, var_dict):
        plugin.Co2Plugin.__init__(self, var_dict)
        self.received = []
        self.lock = threading.Lock()
        self.log(self, 'initialized with ' + self.shrubbery)

    def receive(self, data_dict):
        # 'if processing takes a long time, do it in a thread!'
        thread = threading.Thread(target=self.process, args=(data_dict,))
        thread.start()

    def process(self, data_dict):
        time.sleep(0)
        self.lock.acquire()
        self.received.append(data_dict)
        self.lock.release()
        address = data_dict['client_address']
        self.log(self, 'host_id %s' % data_dict['host_id'])
        self.log(self, 'client_address %s %d' % (address[0], address[1]))
        self.log(self, 'address is a tuple: %s' % isinstance(address, tuple))
        self.log(self, ('data', data_dict['data']))
        self.debug(self, {'keys': len(data_dict.keys())})
        if data_dict['data'] == 'say ni':
            self.send({'data': ({'john': 'cleese', 'terry': 'gilliam'}, 'nih!', 0.815)})

    def log(self, caller, msg):
        """'if you want the plugin to log to a different file you can override the log method'"""
        file = open(self.logfile, 'a')
        file.write('%s: %s\n' % (caller, msg))
        file.close()

    debug = log

    def x_call_me(self, param_dict):
        """callable as spam.ham.call_me"""
        self.send({'data': [1, 2, 3, 'shrubbery']})
        self.send({'data': 2})
        return {'called_with': param_dict, 'name': self.name}

    def x_received(self, param_dict=None):
        """what was received so far"""
        return len(self.received)

    def __exit__(self):
        self.send({'data': 'goodbye from ' + str(self)})
        self.log(self, 'exit')

    def __str__(self):
        return '<the ham plugin>'

    __repr__ = __str__


class Y_Ham(plugin.Co2Plugin):
    """its name does not begin with 'X_': ignored"""

    def x_ignored(self, param_dict):
        return 'ignored'


class X_NoPlugin:
    """no subclass of plugin.Co2Plugin: ignored"""

    def x_no_plugin(self, param_dict):
        return 'ignored'
