"""`twistd satellite` and `twistd relay`."""

from twisted.application.service import ServiceMaker


def _maker(role: str, description: str) -> ServiceMaker:
    class Maker(ServiceMaker):
        @property
        def options(self) -> object:
            from co2.app import tap

            return {"satellite": tap.SatelliteOptions, "relay": tap.RelayOptions}[role]

        @property
        def makeService(self) -> object:
            from co2.app import tap

            return {"satellite": tap.make_satellite, "relay": tap.make_relay}[role]

    return Maker(f"co2 {role}", "co2.app.tap", description, role)


satellite = _maker("satellite", "A co2 satellite: loads plugins, answers XML-RPC.")
relay = _maker("relay", "A co2 relay: passes messages on between satellites.")
