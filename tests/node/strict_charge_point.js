// A strict charge point driven line by line: npm's `ocpp-rpc` in strict mode.
//
// It speaks the same lines as `tests/python/charge_point.py`, as far as `HANDLERS` below goes; what
// each request means is written in `tests/integration/harness/charge_point.rs`. This program shares
// no code with the system under test: the package holds every CALL and every answer, in both
// directions, against its own schemas, and what it complains about is kept for `violations`.

"use strict";

const readline = require("readline");
const { RPCClient, createRPCError, createValidator } = require("ocpp-rpc");
const schemasOf21 = require("ocpp-rpc/lib/schemas/ocpp2_1.json");

const MILLISECONDS_MAX = 45_000;

// The package's schemas of 2.1 stand under other names than its strict mode asks for.
const named = ($id) => $id.replace(/Request$/, ".req").replace(/Response$/, ".conf");
const VALIDATOR_OF_21 = createValidator(
  "ocpp2.1",
  schemasOf21.map((schema) => ({ ...schema, $id: named(schema.$id) })),
);

const answers = new Map();
const receivedCalls = [];
const frames = [];
const violations = [];
let client = null;

// Notes what the schemas have against a message, whoever sent it.
function noteInvalid({ method, isCall, outbound, params, result, error }) {
  const sender = outbound ? "station" : "CSMS";
  const message = isCall ? params : result;
  violations.push(`${method} of the ${sender}: ${error.message} in ${JSON.stringify(message)}`);
}

function answer({ method, params }) {
  receivedCalls.push({ action: method, payload: params });
  if (!answers.has(method)) {
    throw createRPCError("NotSupported", "no answer was set", {});
  }
  return answers.get(method);
}

// Which handler serves which request.
const HANDLERS = {
  async connect({ url, id_in_url: identity, password, subprotocols }) {
    client = new RPCClient({
      endpoint: url.replace(/\/$/, ""),
      identity,
      password,
      protocols: subprotocols,
      strictMode: true,
      strictModeValidators: [VALIDATOR_OF_21],
      reconnect: false,
      callTimeoutMs: MILLISECONDS_MAX,
    });
    client.on("strictValidationFailure", noteInvalid);
    client.on("badMessage", ({ buffer, error }) => violations.push(`${error.message}: ${buffer}`));
    client.on("message", ({ message, outbound }) => {
      frames.push({ direction: outbound ? "sent" : "received", text: message.toString() });
    });
    client.handle(answer);
    await client.connect();
    return { subprotocol: client.protocol };
  },

  async call({ action, payload }) {
    try {
      return { result: await client.call(action, payload) };
    } catch (error) {
      if (error.rpcErrorCode === undefined) {
        throw error;
      }
      return { code: error.rpcErrorCode, description: error.message };
    }
  },

  async will_answer({ action, payload }) {
    answers.set(action, payload);
    return {};
  },

  async received_calls() {
    return { calls: receivedCalls };
  },

  async frames() {
    return { frames };
  },

  async violations() {
    return { violations };
  },

  async disconnect() {
    await client.close();
    return {};
  },
};

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    let reply;
    try {
      reply = await HANDLERS[request.op](request);
    } catch (failure) {
      reply = { failed: `${failure.name}: ${failure.message}` };
    }
    process.stdout.write(JSON.stringify(reply) + "\n");
  }
  process.exit(0);
}

main();
