"""The official schemas, as PyPI's `ocpp` carries them, as a judge: one JSON request a line in,
one JSON reply a line out.

    {"op": "cases", "version": "v201", "every": 7}
        → {"cases": [{"action": …, "payload": …, "code": null | "…", "change": …}, …]}
    {"op": "samples", "version": "v16", "direction": "up" | "down"}
        → {"samples": [{"action": …, "request": …, "response": …}, …]}
    {"op": "judge", "version": "v201", "message": "Request" | "Response", "action": …, "payload": …}
        → {"complaint": null | "…"}

Samples are valid requests, two of each action that goes in the direction, with a valid response:
one pair with every member, one with the required members only.

Cases are made from the schema of every request that a charge point sends: one payload with every
member, one with the required members only, and from the first one a payload for each single thing
that can be wrong (of them every `every`-th), with the error code that the standard names for it.
That such a payload is invalid, and the others are valid, is checked with `jsonschema` before it is
given out.
"""

import copy
import json
import re
import sys
from pathlib import Path

import ocpp
from jsonschema import Draft6Validator, FormatChecker
from jsonschema.validators import validator_for

# What charge points send; the schemas do not tell directions apart.
UP_V16 = """
Authorize BootNotification DataTransfer DiagnosticsStatusNotification FirmwareStatusNotification
Heartbeat LogStatusNotification MeterValues SecurityEventNotification SignCertificate
SignedFirmwareStatusNotification StartTransaction StatusNotification StopTransaction
""".split()
UP_V201 = """
Authorize BootNotification ClearedChargingLimit DataTransfer FirmwareStatusNotification
Get15118EVCertificate GetCertificateStatus Heartbeat LogStatusNotification MeterValues
NotifyChargingLimit NotifyCustomerInformation NotifyDisplayMessages NotifyEVChargingNeeds
NotifyEVChargingSchedule NotifyEvent NotifyMonitoringReport NotifyReport
PublishFirmwareStatusNotification ReportChargingProfiles ReservationStatusUpdate
SecurityEventNotification SignCertificate StatusNotification TransactionEvent
""".split()
UP_V21 = UP_V201 + """
BatterySwap ClosePeriodicEventStream GetCertificateChainStatus NotifyDERAlarm NotifyDERStartStop
NotifyPriorityCharging NotifySettlement OpenPeriodicEventStream PullDynamicScheduleUpdate
ReportDERControl VatNumberValidation
""".split()
UP = {"v16": UP_V16, "v201": UP_V201, "v21": UP_V21}
# What either side may send.
BOTH_WAYS = {"DataTransfer"}

OCCURRENCE = "OccurrenceConstraintViolation"
TYPE = "TypeConstraintViolation"
PROPERTY = "PropertyConstraintViolation"
# What 1.6 calls otherwise (OCPP-J 1.6, section 4.2.3: one of them is misspelt there).
CODES_V16 = {OCCURRENCE: "OccurenceConstraintViolation", "FormatViolation": "FormationViolation"}
EXAMPLES = {"date-time": "2026-11-22T12:00:00Z", "uri": "https://host/file"}
# Lists with more items than that are not overfilled.
ITEMS_MAX = 64


def folder_of(version):
    return Path(ocpp.__file__).parent / version / "schemas"


def schema_of(version, action, message):
    # 1.6 names the file of a request by the action alone.
    ending = "" if version == "v16" and message == "Request" else message
    path = folder_of(version) / f"{action}{ending}.json"
    return json.loads(path.read_text(encoding="utf-8-sig"))


def down(version):
    """What a CSMS sends: every action that charge points do not."""
    responses = folder_of(version).glob("*Response.json")
    actions = {path.stem.removesuffix("Response") for path in responses}
    return sorted(actions - set(UP[version]) | BOTH_WAYS)


FORMATS = FormatChecker([])


@FORMATS.checks("date-time")
def is_instant(value):
    """RFC 3339, for which `jsonschema` would need one more package."""
    pattern = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"
    return not isinstance(value, str) or re.fullmatch(pattern, value) is not None


def validator_of(schema):
    return validator_for(schema, Draft6Validator)(schema, format_checker=FORMATS)


class Message:
    """A schema, and payloads by it."""

    def __init__(self, version, action, message):
        self.schema = schema_of(version, action, message)
        self.validator = validator_of(self.schema)

    def follow(self, schema):
        while "$ref" in schema:
            schema = self.schema["definitions"][schema["$ref"].rsplit("/", 1)[1]]
        return schema

    def example(self, schema, is_bare):
        schema = self.follow(schema)
        if "enum" in schema:
            return schema["enum"][0]
        kind = schema.get("type")
        if kind == "object":
            required = schema.get("required", [])
            return {
                name: self.example(member, is_bare)
                for name, member in schema.get("properties", {}).items()
                if not is_bare or name in required
            }
        if kind == "array":
            return [self.example(schema["items"], is_bare)] * schema.get("minItems", 1)
        if kind == "string":
            return EXAMPLES.get(schema.get("format"), "a")
        if kind == "boolean":
            return True
        if kind in ("integer", "number"):
            number = schema.get("minimum", min(1, schema.get("maximum", 1)))
            # A bound such as 0.0 as every implementation of JSON writes it: 0.
            return int(number) if number == int(number) else number
        return "anything"

    def sample(self, is_bare):
        payload = self.example(self.schema, is_bare)
        self.validator.validate(payload)
        return payload


class Requests(Message):
    """The cases of one request."""

    def __init__(self, version, action, every):
        super().__init__(version, action, "Request")
        self.action = action
        self.codes = CODES_V16 if version == "v16" else {}
        self.every = every
        self.changes = 0
        self.cases = []

    def all(self):
        whole = self.example(self.schema, False)
        self.add("every member", whole, None)
        self.add("required members", self.example(self.schema, True), None)
        self.add("no object", [], "FormatViolation")
        self.change(whole, [], self.schema, True)
        return self.cases

    def add(self, change, payload, code):
        is_valid = self.validator.is_valid(payload)
        if is_valid != (code is None):
            raise AssertionError(f"{self.action}, {change}: expected {code}, valid: {is_valid}")
        self.append(change, payload, code)

    def append(self, change, payload, code):
        code = self.codes.get(code, code)
        self.cases.append(
            {"action": self.action, "payload": payload, "code": code, "change": change}
        )

    def change(self, whole, path, schema, is_required):
        """Every single thing that can be wrong at one place, and below it."""
        schema = self.follow(schema)
        if path:
            self.change_value(whole, path, schema, is_required)
        if schema.get("type") == "object":
            required = schema.get("required", [])
            self.replace(whole, path + ["unknownMember"], [{"deep": None}], None, is_extra=True)
            for name, member in schema.get("properties", {}).items():
                self.change(whole, path + [name], member, name in required)
        elif schema.get("type") == "array":
            self.change(whole, path + [0], schema["items"], True)

    def change_value(self, whole, path, schema, is_required):
        def replace(value, code):
            self.replace(whole, path, value, code)

        kind = schema.get("type")
        if kind is None:
            return
        if is_required and isinstance(path[-1], str):
            self.remove(whole, path)
        replace(None, TYPE)
        replace({"string": 7, "object": [], "array": {}}.get(kind, "x"), TYPE)
        if "enum" in schema:
            replace("NoSuchWord", PROPERTY)
        if "maxLength" in schema:
            replace("é" * schema["maxLength"], None)
            replace("é" * (schema["maxLength"] + 1), PROPERTY)
        if schema.get("format") == "date-time":
            replace("2026-11-22T12:00:00.123456+05:30", None)
            replace("yesterday", PROPERTY)
        if kind == "integer":
            replace(1.5, TYPE)
        if "minimum" in schema:
            replace(schema["minimum"] - 1, PROPERTY)
        if "maximum" in schema:
            replace(schema["maximum"] + 1, PROPERTY)
        if schema.get("minItems", 0) > 0:
            replace([], OCCURRENCE)
        if schema.get("maxItems", ITEMS_MAX) < ITEMS_MAX:
            replace([self.example(schema["items"], True)] * (schema["maxItems"] + 1), OCCURRENCE)

    def is_chosen(self):
        self.changes += 1
        return self.changes % self.every == 0

    def replace(self, whole, path, value, code, is_extra=False):
        if not self.is_chosen():
            return
        changed = copy.deepcopy(whole)
        place = changed
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value
        change = "/" + "/".join(map(str, path)) + " = " + json.dumps(value)[:40]
        if is_extra:
            # The schema forbids it; the CSMS counts it and takes the message.
            self.append(change, changed, code)
        else:
            self.add(change, changed, code)

    def remove(self, whole, path):
        if not self.is_chosen():
            return
        changed = copy.deepcopy(whole)
        place = changed
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]
        self.add("without /" + "/".join(map(str, path)), changed, OCCURRENCE)


def samples(version, action):
    request, response = Message(version, action, "Request"), Message(version, action, "Response")
    for is_bare in (False, True):
        payloads = {"request": request.sample(is_bare), "response": response.sample(is_bare)}
        yield {"action": action, **payloads}


def handle(request):
    version = request["version"]
    if request["op"] == "cases":
        every = request["every"]
        requests = (Requests(version, action, every) for action in UP[version])
        return {"cases": [case for request in requests for case in request.all()]}
    if request["op"] == "samples":
        actions = UP[version] if request["direction"] == "up" else down(version)
        return {"samples": [pair for action in actions for pair in samples(version, action)]}
    validator = validator_of(schema_of(version, request["action"], request["message"]))
    error = next(validator.iter_errors(request["payload"]), None)
    return {"complaint": None if error is None else error.message}


def main():
    for line in sys.stdin:
        try:
            reply = handle(json.loads(line))
        except Exception as failure:
            reply = {"failed": f"{type(failure).__name__}: {failure}"}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
