// Node's package xmlrpc; see client.py for what is printed.
const assert = require("assert");
const xmlrpc = require("xmlrpc");

const options = { url: process.argv[2], encoding: "utf8" };
const client = xmlrpc.createClient(options);

const WANTED = {
  int: 42,
  negative: -2147483648,
  zero: 0,
  true: true,
  false: false,
  double: 0.815,
  minus: -1234.5,
  string: "<shrubbery> & ]]> 'nih' \"!\" \u00e9 \u2603 \u{1f600}",
  ascii: "spam & <eggs>",
  empty: "",
  lines: "one\ntwo\n\tthree",
  bytes: Buffer.from([0x00, 0x01, 0xfe, 0xff]),
  date: new Date(2003, 7, 28, 12, 34, 56),
  array: [1, "two", [3.5, true]],
  nothing: [],
  struct: { john: "cleese", terry: { gilliam: [1, 2] } },
  hollow: {},
};

function say(what, name, isOk, got) {
  console.log(`${what} ${name}: ${isOk ? "ok" : JSON.stringify(got)}`);
}

function call(method, ...params) {
  return new Promise((resolve, reject) =>
    client.methodCall(method, params, (error, value) => (error ? reject(error) : resolve(value)))
  );
}

const every = (method, ...params) => call(`every.every.${method}`, ...params);

async function fault(calling) {
  try {
    return { faultCode: 0, faultString: JSON.stringify(await calling) };
  } catch (error) {
    return { faultCode: error.faultCode, faultString: String(error.faultString) };
  }
}

function same(value, wanted) {
  try {
    assert.deepStrictEqual(value, wanted);
    return true;
  } catch {
    return false;
  }
}

async function main() {
  const given = await every("every");
  for (const [name, wanted] of Object.entries(WANTED)) {
    say("given", name, same(given[name], wanted), given[name]);
    const checked = await every("check", name, wanted);
    say("taken", name, checked === "ok", checked);
    const echoed = await every("echo", wanted);
    say("echoed", name, same(echoed, wanted), echoed);
  }
  const big = await every("big");
  say("given", "big", Number(big) === 2 ** 40, big);
  say("given", "nil", (await every("nothing")) === null, "not null");
  say("taken", "nil", (await every("echo", null)) === null, "not null");
  say("call", "by position", (await every("add", 1, 4)) === 5);
  say("call", "by default", (await every("add", 1)) === 3);
  say("call", "by name", (await every("add", { b: 5, a: 1 })) === 6);
  let got = await fault(every("nonsense"));
  say("fault", "no method", got.faultCode === -32601 && /every\.nonsense/.test(got.faultString), got);
  got = await fault(every("refuse", "why"));
  say("fault", "refused", got.faultCode === -32500 && got.faultString === "refused: why \u2603", got);
  got = await fault(every("raise"));
  say("fault", "raised", got.faultCode === 1007 && /nobody foresaw/.test(got.faultString), got);
  got = await fault(every("add", "one"));
  say("fault", "wrong type", got.faultCode === -32602 && /add\(/.test(got.faultString), got);
  const names = await call("system.listMethods");
  say("system", "listMethods", names.includes("every.every.add"), names);
  const help = await call("system.methodHelp", "every.every.add");
  say("system", "methodHelp", help === "Add two numbers.", help);
  const rows = await call("system.methodSignature", "every.every.add");
  say("system", "methodSignature", rows.some((row) => same(row, ["int", "int", "int"])), rows);
  const answers = await call("system.multicall", [
    { methodName: "every.every.add", params: [1, 1] },
    { methodName: "every.every.refuse", params: ["in many"] },
    { methodName: "every.every.echo", params: ["last"] },
  ]);
  say("multicall", "first", same(answers[0], [2]), answers);
  say("multicall", "fault", answers[1].faultCode === -32500, answers);
  say("multicall", "last", same(answers[2], ["last"]), answers);
}

main();
