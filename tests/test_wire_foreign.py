"""Documents as other programs write them, byte for byte in their manner of writing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from co2.errors import MethodNotFound, UnknownFault
from co2.wire.xmlrpc import decode_call, decode_reply

XMLRPC_C = (
    b'<?xml version="1.0" encoding="UTF-8"?>\r\n<methodCall>\r\n'
    b"<methodName>sample.add</methodName>\r\n<params>\r\n"
    b"<param><value><i4>5</i4></value></param>\r\n"
    b"<param><value><struct>\r\n<member><name>a</name>\r\n<value><array><data>\r\n"
    b"<value><string>x</string></value>\r\n<value><double>3.1400000000000001</double></value>\r\n"
    b"</data></array></value></member>\r\n</struct></value></param>\r\n"
    b"<param><value><base64>\r\nAAEC\r\n</base64></value></param>\r\n"
    b"<param><value><nil/></value></param>\r\n</params>\r\n</methodCall>\r\n"
)
PYTHON_2 = (
    b"<?xml version='1.0'?>\n<methodCall>\n<methodName>notify</methodName>\n<params>\n<param>\n"
    b"<value><struct>\n<member>\n<name>data</name>\n<value><array><data>\n"
    b"<value><int>1</int></value>\n<value><string>shrubbery</string></value>\n"
    b"<value><boolean>1</boolean></value>\n<value><base64>\nbmkh\n</base64></value>\n"
    b"</data></array></value>\n</member>\n</struct></value>\n</param>\n</params>\n</methodCall>\n"
)
PHP_EPI = (
    b'<?xml version="1.0" encoding="iso-8859-1"?>\n<methodCall>\n<methodName>greet</methodName>\n'
    b"<params>\n <param>\n  <value>\n   <struct>\n    <member>\n     <name>who</name>\n"
    b"     <value>\n      <string>M&#252;ller</string>\n     </value>\n    </member>\n"
    b"    <member>\n     <name>empty</name>\n     <value>\n      <string/>\n     </value>\n"
    b"    </member>\n    <member>\n     <name>bin</name>\n     <value>\n"
    b"      <base64>bmkh&#10;</base64>\n     </value>\n    </member>\n   </struct>\n  </value>\n"
    b" </param>\n <param>\n  <value>\n   <array>\n    <data/>\n   </array>\n  </value>\n </param>\n"
    b"</params>\n</methodCall>\n"
)
PHP_LATIN1 = (
    b'<?xml version="1.0" encoding="ISO-8859-1"?>\n<methodCall>\n<methodName>greet</methodName>\n'
    b"<params>\n<param>\n<value><string>M\xfcller</string></value>\n</param>\n</params>\n"
    b"</methodCall>"
)
PHP_CDATA = (
    b'<?xml version="1.0"?>\n<methodCall><methodName>save</methodName><params><param><value>'
    b"<string><![CDATA[<b>1 & 2</b>]]></string></value></param></params></methodCall>"
)
PERL_RPC_XML = (
    b'<?xml version="1.0" encoding="us-ascii"?><methodCall><methodName>m.go</methodName>'
    b"<params><param><value><int>41</int></value></param><param><value><string>it&apos;s "
    b"&quot;&#xfc;&quot;</string></value></param><param><value><dateTime.iso8601>"
    b"20031117T14:08:55Z</dateTime.iso8601></value></param></params></methodCall>"
)
PERL_FRONTIER = (
    b'<?xml version="1.0"?>\n<methodCall>\n<methodName>examples.getStateName</methodName>\n'
    b"<params>\n<param><value><i4>41</i4></value></param>\n"
    b"<param><value>Tennessee</value></param>\n</params>\n</methodCall>\n"
)
RUBY = (
    b'<?xml version="1.0" ?><methodCall><methodName>sample.sumAndDifference</methodName><params>'
    b"<param><value><i4>5</i4></value></param><param><value><array><data><value><double>1.0e-05"
    b"</double></value><value><boolean>0</boolean></value></data></array></value></param>"
    b"</params></methodCall>\n"
)
APACHE = (
    b'<?xml version="1.0" encoding="UTF-8"?>'
    b'<methodCall xmlns:ex="http://ws.apache.org/xmlrpc/namespaces/extensions">'
    b"<methodName>Calculator.add</methodName><params><param><value><ex:i8>9000000000</ex:i8>"
    b"</value></param><param><value><ex:nil/></value></param><param><value><ex:i1>-1</ex:i1>"
    b"</value></param><param><value><ex:i2>300</ex:i2></value></param><param><value><ex:float>2.5"
    b"</ex:float></value></param><param><value>bare</value></param><param><value>"
    b"<ex:biginteger>12</ex:biginteger></value></param><param><value><ex:dateTime>"
    b"2003-11-17T15:08:55.000+01:00</ex:dateTime></value></param></params></methodCall>"
)
NODE = (
    b'<?xml version="1.0"?><methodCall><methodName>anAction</methodName><params><param><value>'
    b"<string>a &amp; b</string></value></param><param><value><double>-12.25</double></value>"
    b"</param><param><value><dateTime.iso8601>20031117T14:08:55</dateTime.iso8601></value></param>"
    b"<param><value><struct/></value></param></params></methodCall>"
)
DOT_NET = (
    b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?>\r\n<methodCall>\r\n'
    b"  <methodName>notify</methodName>\r\n  <params>\r\n    <param>\r\n      <value>\r\n"
    b"        <i4>7</i4>\r\n      </value>\r\n    </param>\r\n    <param>\r\n      <value>\r\n"
    b"        <string>two\r\nlines</string>\r\n      </value>\r\n    </param>\r\n  </params>\r\n"
    b"</methodCall>"
)
BY_HAND = (
    b"<methodCall > <!-- hello -->\n<methodName\t>ping</methodName><?any thing?>"
    b"<params><param><value><string>a<!-- b -->c<![CDATA[<d>]]>&#101;</string></value></param>"
    b"<param><value>  </value></param><param><value/></param></params></methodCall>\n<!-- bye -->\n"
)

_WHEN = datetime(2003, 11, 17, 14, 8, 55, tzinfo=UTC)
CALLS: dict[str, tuple[bytes, str, tuple[Any, ...]]] = {
    "xmlrpc-c": (XMLRPC_C, "sample.add", (5, {"a": ["x", 3.14]}, b"\x00\x01\x02", None)),
    "Python 2": (PYTHON_2, "notify", ({"data": [1, "shrubbery", True, b"ni!"]},)),
    "PHP xmlrpc-epi": (PHP_EPI, "greet", ({"who": "Müller", "empty": "", "bin": b"ni!"}, [])),
    "PHP in Latin-1": (PHP_LATIN1, "greet", ("Müller",)),
    "PHP with CDATA": (PHP_CDATA, "save", ("<b>1 & 2</b>",)),
    "Perl RPC::XML": (PERL_RPC_XML, "m.go", (41, 'it\'s "ü"', _WHEN)),
    "Perl Frontier::RPC": (PERL_FRONTIER, "examples.getStateName", (41, "Tennessee")),
    "Ruby": (RUBY, "sample.sumAndDifference", (5, [1e-05, False])),
    "Apache": (APACHE, "Calculator.add", (9 * 10**9, None, -1, 300, 2.5, "bare", 12, _WHEN)),
    "Node": (NODE, "anAction", ("a & b", -12.25, _WHEN, {})),
    ".NET": (DOT_NET, "notify", (7, "two\nlines")),
    "a person": (BY_HAND, "ping", ("ac<d>e", "  ", "")),
}


@pytest.mark.parametrize("program", CALLS)
def test_a_call_of_another_program_is_understood(program: str) -> None:
    """Method and values arrive as that program meant them."""
    document, method, params = CALLS[program]
    assert decode_call(document) == (method, params)


REPLIES: dict[str, tuple[bytes, Any]] = {
    "xmlrpc-c": (
        b'<?xml version="1.0" encoding="UTF-8"?>\r\n<methodResponse>\r\n<params>\r\n'
        b"<param><value><i4>12</i4></value></param>\r\n</params>\r\n</methodResponse>\r\n",
        12,
    ),
    "Python 2": (
        b"<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><boolean>1</boolean>"
        b"</value>\n</param>\n</params>\n</methodResponse>\n",
        True,
    ),
    "Apache": (
        b'<?xml version="1.0" encoding="UTF-8"?><methodResponse xmlns:ex="http://ws.apache.org/'
        b'xmlrpc/namespaces/extensions"><params><param><value><ex:nil/></value></param></params>'
        b"</methodResponse>",
        None,
    ),
    "PHP xmlrpc-epi": (
        b'<?xml version="1.0" encoding="iso-8859-1"?>\n<methodResponse>\n<params>\n <param>\n'
        b"  <value>\n   <string>caf\xe9</string>\n  </value>\n </param>\n</params>\n"
        b"</methodResponse>\n",
        "café",
    ),
}


@pytest.mark.parametrize("program", REPLIES)
def test_an_answer_of_another_program_is_understood(program: str) -> None:
    """The value arrives as that program meant it."""
    document, value = REPLIES[program]
    assert decode_reply(document) == value


def test_faults_of_other_programs_are_raised() -> None:
    """A code of the common table is that error, another one stays as it came."""
    frontier = (
        b'<?xml version="1.0"?>\n<methodResponse>\n  <fault>\n    <value>\n      <struct>\n'
        b"        <member>\n          <name>faultCode</name>\n"
        b"          <value><int>4</int></value>\n        </member>\n"
        b"        <member>\n          <name>faultString</name>\n"
        b"          <value><string>Too many parameters.</string></value>\n"
        b"        </member>\n      </struct>\n"
        b"    </value>\n  </fault>\n</methodResponse>"
    )
    with pytest.raises(UnknownFault, match="Too many parameters") as raised:
        decode_reply(frontier)
    assert raised.value.fault == (4, "Too many parameters.")
    with pytest.raises(MethodNotFound, match="Too many"):
        decode_reply(frontier.replace(b"<int>4<", b"<int>-32601<"))
