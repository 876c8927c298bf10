"""Calls the methods of os-xenapi's dom0 plugin `agent.py`, as Nova does, and prints the answers.

The plugin is for Python 2: under Python 3 its `utils.run_command` gives bytes where `xenstore.py`
compares with text, so that is wrapped here. XenAPI and XenAPIPlugin, which dom0 has, are empty.
"""

import json
import random
import subprocess
import sys
import types
import uuid

PRIME, BASE = 162259276829213363391578010288127, 5


def import_plugin(folder):
    """Give the plugin's module."""
    for name in ("XenAPI", "XenAPIPlugin"):
        sys.modules[name] = types.ModuleType(name)
    sys.path.insert(0, folder)
    import utils

    def text(value):
        return value.decode() if isinstance(value, bytes) else value

    original = utils.run_command

    def run_command(*arguments, **keywords):
        try:
            return text(original(*arguments, **keywords))
        except utils.SubprocessException as error:
            error.out, error.err = text(error.out), text(error.err)
            raise

    utils.run_command = run_command
    import agent

    return agent


def exchanged_key(call):
    """Exchange keys; give the return code and the secret."""
    private = random.getrandbits(128)
    answer = call("key_init", pub=str(pow(BASE, private, PRIME)))
    return answer["returncode"], str(pow(int(answer["message"]), private, PRIME))


def encrypted(text, secret, digest):
    """Encrypt as Nova does, by the openssl command."""
    words = ["openssl", "aes-128-cbc", "-A", "-a", "-pass", "pass:" + secret, "-nosalt"]
    done = subprocess.run(
        [*words, "-md", digest], input=text.encode(), capture_output=True, check=True
    )
    return done.stdout.decode().strip()


def main():
    """Call everything."""
    given = json.loads(sys.argv[1])
    agent = import_plugin(given["plugins"])

    def call(method, **arguments):
        basic = {"id": str(uuid.uuid4()), "dom_id": "0", "timeout": "20"}
        return json.loads(getattr(agent, method)(None, {**basic, **arguments}))

    told = {"version": call("version"), "key_init": []}
    for digest in ("md5", "sha256"):
        code, secret = exchanged_key(call)
        told["key_init"].append(code)
        enc_pass = encrypted("new password\n", secret, digest)
        told["password_" + digest] = call("password", enc_pass=enc_pass)
    file = {name: given[name] for name in ("b64_path", "b64_contents")}
    told["inject_file"] = call("inject_file", **file)
    told["resetnetwork"] = call("resetnetwork")
    told["agent_update"] = call("agent_update", url=given["url"], md5sum=given["md5sum"])
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
