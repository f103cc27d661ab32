"""Runs many cases through Ansible's own modules in one process.

Reads one JSON object per line: `module`, `args`, `content` (of the file before; null when there is none). Writes one per
line: `changed`, `content` (null when there is no file), `failed` (a message, or null). Modules end with SystemExit, so
that each call is caught and its printed result read.
"""

import contextlib
import importlib
import io
import json
import os
import sys
import tempfile
import warnings

warnings.simplefilter("ignore")

from ansible.module_utils.testing import patch_module_args

modules = {}


def call(name, args):
    if name not in modules:
        modules[name] = importlib.import_module("ansible.modules." + name)
    args = dict(args, _ansible_remote_tmp=tempfile.gettempdir(), _ansible_keep_remote_files=False)
    out = io.StringIO()
    with patch_module_args(args), contextlib.redirect_stdout(out):
        try:
            modules[name].main()
        except SystemExit:
            pass
        except Exception as error:
            return {"failed": True, "msg": repr(error)}
    return json.loads(out.getvalue().strip().splitlines()[-1])


def template(text, variables):
    from ansible.parsing.dataloader import DataLoader
    from ansible.template import Templar, trust_as_template
    from ansible.plugins.loader import init_plugin_loader

    if not modules.get("templar"):
        init_plugin_loader([])
        modules["templar"] = True
    templar = Templar(loader=DataLoader(), variables=variables)
    # What the action plugin of the `template` module sets.
    overrides = {"newline_sequence": "\n", "trim_blocks": True, "lstrip_blocks": False}
    with templar.set_temporary_context(**overrides):
        return templar.template(trust_as_template(text), convert_data=False, preserve_trailing_newlines=True,
                                escape_backslashes=False)


def main():
    directory = tempfile.mkdtemp(prefix="sloth-ansible-")
    path = os.path.join(directory, "it")
    source = os.path.join(directory, "source")
    for line in sys.stdin:
        case = json.loads(line)
        for stale in (path, source):
            if os.path.exists(stale):
                os.unlink(stale)
        if case["content"] is not None:
            with open(path, "w", newline="") as file:
                file.write(case["content"])
            os.chmod(path, case.get("mode", 0o644))
        args, failed = dict(case["args"]), None
        if case["module"] == "template":
            try:
                text = template(args["content"], args["vars"]) or ""
                answer = {"changed": text != case["content"]}
                with open(path, "w", newline="") as file:
                    file.write(text)
            except Exception as error:
                answer = {"failed": True, "msg": str(error)}
        else:
            args["dest" if case["module"] == "copy" else "path"] = path
            if case["module"] == "copy":
                with open(source, "w", newline="") as file:
                    file.write(args.pop("content"))
                args["src"] = source
            answer = call(case["module"], args)
        if answer.get("failed"):
            failed = str(answer.get("msg"))
        content = mode = None
        if os.path.exists(path):
            with open(path, newline="") as file:
                content = file.read()
            mode = os.stat(path).st_mode & 0o7777
        result = {"changed": bool(answer.get("changed")), "content": content, "mode": mode, "failed": failed}
        sys.stdout.write(json.dumps(result) + "\n")
    for left in (path, source):
        if os.path.exists(left):
            os.unlink(left)
    os.rmdir(directory)


main()
