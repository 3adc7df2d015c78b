"""A small fleet that charges without end, and keeps a ledger of what was acknowledged to it.

Each charge point runs one session after another: StartTransaction, MeterValues, StopTransaction,
with PyPI's `ocpp` on `websockets`. A CALL that gets no answer is repeated after a reconnect, every
other time under its old message id, as real charge points do. The ledger (JSON lines) is written
only after an answer has arrived:

    {"kind": "acknowledged", "station": …, "message_id": …, "request": …, "reply": …}
    {"kind": "session", "station": …, "transaction_id": …, "meter_start": …, "meter_stop": …}

Closing standard input asks the fleet to finish the sessions under way and to end.

usage: load.py OCPP_URL LEDGER ID_TAG STATION...
"""

import asyncio
import base64
import json
import logging
import sys
import uuid
from datetime import datetime, timedelta, timezone
from urllib.parse import quote

from ocpp.v16 import ChargePoint, call
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

METER_VALUES_PER_SESSION = 3
ENERGY_PER_METER_VALUE_WH = 500
ANSWER_SECONDS_MAX = 20
RECONNECT_SECONDS = 0.1
ATTEMPTS_MAX = 2000


class Ledger:
    def __init__(self, path):
        self.file = open(path, "a", encoding="utf-8")

    def write(self, **entry):
        self.file.write(json.dumps(entry) + "\n")
        self.file.flush()


class Recorded:
    """A connection that remembers the last text it sent and received."""

    def __init__(self, socket):
        self.socket = socket
        self.sent = None
        self.received = None

    async def send(self, text):
        self.sent = text
        await self.socket.send(text)

    async def recv(self):
        self.received = await self.socket.recv()
        return self.received


class Station:
    def __init__(self, url, name, ledger, stopping):
        self.url = url + quote(name, safe="")
        self.name = name
        self.ledger = ledger
        self.stopping = stopping
        self.connection = None
        self.charge_point = None
        self.loop_task = None

    async def run(self, id_tag):
        await self.deliver(call.BootNotification("load", "test"))
        register = 0
        clock = datetime(2026, 3, 1, tzinfo=timezone.utc)
        while not self.stopping.is_set():
            register, clock = await self.session(id_tag, register, clock)
        await self.disconnect()

    async def session(self, id_tag, register, clock):
        start = call.StartTransaction(1, id_tag, register, timestamp(clock))
        transaction_id = (await self.deliver(start))["transactionId"]
        meter = register
        for _ in range(METER_VALUES_PER_SESSION):
            meter += ENERGY_PER_METER_VALUE_WH
            clock += timedelta(minutes=5)
            await self.deliver(meter_values(transaction_id, meter, clock))
        await self.deliver(call.StopTransaction(meter, timestamp(clock), transaction_id))
        self.ledger.write(
            kind="session",
            station=self.name,
            transaction_id=transaction_id,
            meter_start=register,
            meter_stop=meter,
        )
        return meter, clock + timedelta(minutes=1)

    async def deliver(self, message):
        """Sends until there is an answer; returns its payload."""
        message_id = str(uuid.uuid4())
        for attempt in range(ATTEMPTS_MAX):
            try:
                await self.connected()
                await self.charge_point.call(message, suppress=False, unique_id=message_id)
            except (OSError, WebSocketException, asyncio.TimeoutError):
                await self.disconnect()
                await asyncio.sleep(RECONNECT_SECONDS)
                if attempt % 2 == 0:
                    message_id = str(uuid.uuid4())
                continue
            self.ledger.write(
                kind="acknowledged",
                station=self.name,
                message_id=message_id,
                request=self.connection.sent,
                reply=self.connection.received,
            )
            return json.loads(self.connection.received)[2]
        raise RuntimeError(f"{self.name}: no answer after {ATTEMPTS_MAX} attempts")

    async def connected(self):
        if self.charge_point is not None:
            return
        socket = await connect(
            self.url,
            subprotocols=["ocpp1.6"],
            additional_headers={"Authorization": authorization(self.name)},
            open_timeout=ANSWER_SECONDS_MAX,
            proxy=None,
        )
        self.connection = Recorded(socket)
        self.charge_point = ChargePoint(self.name, self.connection, ANSWER_SECONDS_MAX)
        self.loop_task = asyncio.create_task(self.receive(self.charge_point))

    async def receive(self, charge_point):
        """Feeds answers to the package; a lost connection wakes the CALL that waits for one."""
        try:
            await charge_point.start()
        except WebSocketException as lost:
            charge_point._response_queue.put_nowait(Lost(lost))

    async def disconnect(self):
        if self.loop_task is not None:
            self.loop_task.cancel()
        if self.connection is not None:
            self.connection.socket.transport.abort()
        self.connection = self.charge_point = self.loop_task = None


class Lost:
    """Stands in the queue of answers for a connection that ended."""

    def __init__(self, error):
        self.error = error

    @property
    def unique_id(self):
        raise self.error


def meter_values(transaction_id, register_wh, clock):
    sampled = {"value": str(register_wh), "measurand": "Energy.Active.Import.Register"}
    reading = {"timestamp": timestamp(clock), "sampled_value": [{**sampled, "unit": "Wh"}]}
    return call.MeterValues(1, [reading], transaction_id)


def timestamp(clock):
    return clock.strftime("%Y-%m-%dT%H:%M:%SZ")


def authorization(name):
    pair = f"{name}:password of {name}".encode()
    return "Basic " + base64.b64encode(pair).decode()


async def main():
    logging.disable(logging.CRITICAL)
    url, ledger_path, id_tag, *names = sys.argv[1:]
    ledger = Ledger(ledger_path)
    stopping = asyncio.Event()
    stations = [Station(url, name, ledger, stopping) for name in names]
    fleet = [asyncio.create_task(station.run(id_tag)) for station in stations]
    end_of_input = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    done, _ = await asyncio.wait([end_of_input, *fleet], return_when=asyncio.FIRST_COMPLETED)
    for early in done - {end_of_input}:
        early.result()
    stopping.set()
    await asyncio.gather(*fleet)


if __name__ == "__main__":
    asyncio.run(main())
