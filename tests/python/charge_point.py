"""A charge point driven line by line: PyPI's `ocpp` (1.6, 2.0.1 and 2.1) on `websockets`.

Standard input carries one JSON request a line, standard output one JSON reply a line; what each
request means is written in `tests/integration/harness/charge_point.rs`. This program shares no code
with the system under test: the `ocpp` package builds and validates every message with its own
schemas, in both directions, unless the connection is `raw`.
"""

import asyncio
import base64
import json
import ssl
import sys
from importlib import import_module
from urllib.parse import quote

from ocpp.charge_point import camel_to_snake_case
from ocpp.exceptions import OCPPError
from ocpp.messages import MessageType
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

SECONDS_MAX = 45
PACKAGES = {"ocpp1.6": "ocpp.v16", "ocpp2.0.1": "ocpp.v201", "ocpp2.1": "ocpp.v21"}


class RecordedConnection:
    """A WebSocket that remembers its text frames."""

    def __init__(self, socket, frames):
        self.socket = socket
        self.frames = frames

    async def send(self, text):
        self.frames.append({"direction": "sent", "text": text})
        await self.socket.send(text)

    async def recv(self):
        text = await self.socket.recv()
        self.frames.append({"direction": "received", "text": text})
        return text


class Answers:
    """What the package's charge point lacks: answers to the CSMS that a test sets."""

    def __init__(self, name, connection, answers, received_calls):
        super().__init__(name, connection, response_timeout=SECONDS_MAX)
        self.answers = answers
        self.received_calls = received_calls

    async def _handle_call(self, message):
        self.received_calls.append({"action": message.action, "payload": message.payload})
        answer = self.answers.get(message.action)
        if answer is None:
            await super()._handle_call(message)
            return
        await self._send(message.create_call_result(answer).to_json())


def station_of(package, *arguments):
    """The charge point of one version, with a test's answers."""
    return type("Station", (Answers, package.ChargePoint), {})(*arguments)


class Driver:
    def __init__(self):
        self.socket = None
        self.connection = None
        self.package = None
        self.station = None
        self.loop_task = None
        self.answers = {}
        self.received_calls = []
        self.frames = []

    async def handle(self, request):
        return await getattr(self, "op_" + request["op"])(request)

    async def op_connect(self, request):
        await self._forget_connection()
        url = request["url"] + quote(request["id_in_url"], safe="")
        headers = {}
        if request["password"] is not None:
            headers["Authorization"] = basic_auth(request["user"], request["password"])
        try:
            self.socket = await connect(
                url,
                subprotocols=request["subprotocols"] or None,
                additional_headers=headers,
                open_timeout=SECONDS_MAX,
                max_size=None,
                proxy=None,
                ssl=tls(request.get("tls")),
                **compression(request.get("deflate", {})),
            )
        except InvalidStatus as refusal:
            return {"status": refusal.response.status_code}
        except (OSError, EOFError, InvalidHandshake, ConnectionClosed) as failure:
            # Over TLS a station may be turned away before anything is said in HTTP.
            if request.get("tls") is None:
                raise
            return {"no_tls": type(failure).__name__}
        self.connection = RecordedConnection(self.socket, self.frames)
        if not request["raw"]:
            self.package = import_module(PACKAGES[self.socket.subprotocol])
            self.station = station_of(
                self.package,
                request["id_in_url"], self.connection, self.answers, self.received_calls,
            )
            self.loop_task = asyncio.create_task(self._message_loop(self.station))
        extensions = [extension.name for extension in self.socket.protocol.extensions]
        return {"subprotocol": self.socket.subprotocol, "extensions": extensions}

    async def op_call(self, request):
        kind = getattr(self.package.call, request["action"])
        message = kind(**camel_to_snake_case(request["payload"]))
        answers_before = len(self.frames)
        try:
            await self.station.call(
                message, suppress=False, unique_id=request["message_id"]
            )
        except OCPPError:
            answer = self._last_answer(answers_before)
            if answer is None or answer[0] != MessageType.CallError:
                raise
            return {"code": answer[2], "description": answer[3]}
        return {"result": self._last_answer(answers_before)[2]}

    def _last_answer(self, since):
        for frame in reversed(self.frames[since:]):
            message = json.loads(frame["text"])
            if frame["direction"] == "received" and message[0] in (3, 4):
                return message
        return None

    async def op_will_answer(self, request):
        self.answers[request["action"]] = request["payload"]
        return {}

    async def op_received_calls(self, _request):
        return {"calls": self.received_calls}

    async def op_frames(self, _request):
        return {"frames": self.frames}

    async def op_send_text(self, request):
        await self.connection.send(request["text"])
        return {}

    async def op_send_binary(self, request):
        await self.socket.send(request["text"].encode())
        return {}

    async def op_receive(self, _request):
        try:
            return {"text": await asyncio.wait_for(self.connection.recv(), SECONDS_MAX)}
        except ConnectionClosed:
            return self._closed()

    async def op_disconnect(self, _request):
        await self.socket.close()
        await self._forget_connection()
        return {}

    async def op_drop(self, _request):
        self.socket.transport.abort()
        await self._forget_connection()
        return {}

    async def op_wait_closed(self, _request):
        await asyncio.wait_for(self.socket.wait_closed(), SECONDS_MAX)
        return self._closed()

    def _closed(self):
        return {"closed": self.socket.close_code}

    async def _message_loop(self, station):
        try:
            await station.start()
        except ConnectionClosed:
            pass

    async def _forget_connection(self):
        if self.loop_task is not None:
            self.loop_task.cancel()
            self.loop_task = None
        if self.socket is not None:
            self.socket.transport.abort()
            self.socket = None


def tls(files):
    """What a station trusts, and what it proves itself with; nothing for a plain connection."""
    if files is None:
        return None
    context = ssl.create_default_context(cafile=files["authority"])
    if "certificate" in files:
        context.load_cert_chain(files["certificate"], files["key"])
    return context


def compression(parameters):
    """The package's usual offer, one with parameters of the test's choice, or none (`null`)."""
    if parameters is None:
        return {"compression": None}
    if not parameters:
        return {"compression": "deflate"}
    return {"compression": None, "extensions": [ClientPerMessageDeflateFactory(**parameters)]}


def basic_auth(user, password):
    pair = user.encode() + b":" + password.encode()
    return "Basic " + base64.b64encode(pair).decode()


async def main():
    driver = Driver()
    loop = asyncio.get_running_loop()
    while True:
        line = await loop.run_in_executor(None, sys.stdin.readline)
        if not line:
            return
        try:
            reply = await driver.handle(json.loads(line))
        except Exception as failure:
            reply = {"failed": f"{type(failure).__name__}: {failure}"}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
