# Ruby's xmlrpc/client; see client.py for what is printed.
require "xmlrpc/client"

XMLRPC::Config.module_eval do
  remove_const :ENABLE_NIL_CREATE
  const_set :ENABLE_NIL_CREATE, true
  remove_const :ENABLE_NIL_PARSER
  const_set :ENABLE_NIL_PARSER, true
  remove_const :ENABLE_BIGINT
  const_set :ENABLE_BIGINT, true
end

CLIENT = XMLRPC::Client.new2(ARGV[0])

WANTED = {
  "int" => 42,
  "negative" => -2147483648,
  "zero" => 0,
  "true" => true,
  "false" => false,
  "double" => 0.815,
  "minus" => -1234.5,
  "string" => "<shrubbery> & ]]> 'nih' \"!\" \u00e9 \u2603 \u{1f600}",
  "ascii" => "spam & <eggs>",
  "empty" => "",
  "lines" => "one\ntwo\n\tthree",
  "bytes" => XMLRPC::Base64.new("\x00\x01\xfe\xff".b),
  "date" => XMLRPC::DateTime.new(2003, 8, 28, 12, 34, 56),
  "array" => [1, "two", [3.5, true]],
  "nothing" => [],
  "struct" => { "john" => "cleese", "terry" => { "gilliam" => [1, 2] } },
  "hollow" => {},
}.freeze

def say(what, name, is_ok, got)
  puts "#{what} #{name}: #{is_ok ? 'ok' : got.inspect}"
end

def same?(value, wanted)
  # A byte string comes back as a String.
  return value.b == wanted.decoded.b if wanted.is_a?(XMLRPC::Base64)
  return value.to_a == wanted.to_a if wanted.is_a?(XMLRPC::DateTime)

  value.class == wanted.class && value == wanted
end

def fault
  [0, yield.inspect]
rescue XMLRPC::FaultException => e
  [e.faultCode, e.faultString]
end

def every(method, *params)
  CLIENT.call("every.every.#{method}", *params)
end

given = every("every")
WANTED.each do |name, wanted|
  say("given", name, same?(given[name], wanted), given[name])
  checked = every("check", name, wanted)
  say("taken", name, checked == "ok", checked)
  echoed = every("echo", wanted)
  say("echoed", name, same?(echoed, wanted), echoed)
end
say("given", "big", every("big") == 2**40, every("big"))
say("given", "nil", every("nothing").nil?, every("nothing"))
say("taken", "nil", every("echo", nil).nil?, every("echo", nil))
say("call", "by position", every("add", 1, 4) == 5, every("add", 1, 4))
say("call", "by default", every("add", 1) == 3, every("add", 1))
say("call", "by name", every("add", { "b" => 5, "a" => 1 }) == 6, nil)
got = fault { every("nonsense") }
say("fault", "no method", got[0] == -32601 && got[1].include?("every.every.nonsense"), got)
got = fault { every("refuse", "why") }
say("fault", "refused", got == [-32500, "refused: why \u2603"], got)
got = fault { every("raise") }
say("fault", "raised", got[0] == 1007 && got[1].include?("nobody foresaw this"), got)
got = fault { every("add", "one") }
say("fault", "wrong type", got[0] == -32602 && got[1].include?("add("), got)
names = CLIENT.call("system.listMethods")
say("system", "listMethods", names.include?("every.every.add"), names)
help = CLIENT.call("system.methodHelp", "every.every.add")
say("system", "methodHelp", help == "Add two numbers.", help)
rows = CLIENT.call("system.methodSignature", "every.every.add")
say("system", "methodSignature", rows.include?(%w[int int int]), rows)
answers = CLIENT.multicall2(
  ["every.every.add", 1, 1], ["every.every.refuse", "in many"], ["every.every.echo", "last"]
)[1]
say("multicall", "first", answers[0] == 2, answers)
say("multicall", "fault", answers[1].faultCode == -32500, answers)
say("multicall", "last", answers[2] == "last", answers)
