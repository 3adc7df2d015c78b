"""Prints a YAML file as JSON, for tests that look into it.

usage: yaml_to_json.py FILE
"""

import json
import sys

from ruamel.yaml import YAML

print(json.dumps(YAML(typ="safe").load(open(sys.argv[1], encoding="utf-8"))))
