<?php
// PHP's extension xmlrpc over a plain HTTP stream; see client.py for what is printed.

function typed(string $value, string $type)
{
    xmlrpc_set_type($value, $type);
    return $value;
}

$wanted = [
    'int' => 42,
    'negative' => -2147483648,
    'zero' => 0,
    'true' => true,
    'false' => false,
    'double' => 0.815,
    'minus' => -1234.5,
    'string' => "<shrubbery> & ]]> 'nih' \"!\" \u{e9} \u{2603} \u{1f600}",
    'ascii' => 'spam & <eggs>',
    'empty' => '',
    'lines' => "one\ntwo\n\tthree",
    'bytes' => typed("\x00\x01\xfe\xff", 'base64'),
    'date' => typed('20030828T12:34:56', 'datetime'),
    'array' => [1, 'two', [3.5, true]],
    'nothing' => [],
    'struct' => ['john' => 'cleese', 'terry' => ['gilliam' => [1, 2]]],
];

function answer(string $method, ...$params)
{
    $options = ['encoding' => 'utf-8', 'escaping' => 'markup'];
    $body = xmlrpc_encode_request($method, $params, $options);
    $context = stream_context_create(['http' => [
        'method' => 'POST',
        'header' => 'Content-Type: text/xml',
        'content' => $body,
    ]]);
    return xmlrpc_decode(file_get_contents($GLOBALS['argv'][1], false, $context), 'utf-8');
}

function every(string $method, ...$params)
{
    return answer("every.every.$method", ...$params);
}

function say(string $what, string $name, bool $is_ok, $got): void
{
    echo "$what $name: ", $is_ok ? 'ok' : json_encode($got), "\n";
}

function fault(string $name, int $code, string $text, $got): void
{
    $is_ok = is_array($got) && xmlrpc_is_fault($got) && $got['faultCode'] === $code
        && str_contains($got['faultString'], $text);
    say('fault', $name, $is_ok, $got);
}

$given = every('every');
foreach ($wanted as $name => $value) {
    $same = is_object($value) ? $given[$name] == $value : $given[$name] === $value;
    say('given', $name, $same, $given[$name]);
    $checked = every('check', $name, $value);
    say('taken', $name, $checked === 'ok', $checked);
    $echoed = every('echo', $value);
    say('echoed', $name, is_object($value) ? $echoed == $value : $echoed === $value, $echoed);
}
say('call', 'by position', every('add', 1, 4) === 5, every('add', 1, 4));
say('call', 'by default', every('add', 1) === 3, every('add', 1));
say('call', 'by name', every('add', ['b' => 5, 'a' => 1]) === 6, null);
fault('no method', -32601, 'every.every.nonsense', every('nonsense'));
fault('refused', -32500, "refused: why \u{2603}", every('refuse', 'why'));
fault('raised', 1007, 'nobody foresaw this', every('raise'));
fault('wrong type', -32602, 'add(', every('add', 'one'));
$names = answer('system.listMethods');
say('system', 'listMethods', in_array('every.every.add', $names, true), $names);
$help = answer('system.methodHelp', 'every.every.add');
say('system', 'methodHelp', $help === 'Add two numbers.', $help);
$rows = answer('system.methodSignature', 'every.every.add');
say('system', 'methodSignature', in_array(['int', 'int', 'int'], $rows, true), $rows);
$answers = answer('system.multicall', [
    ['methodName' => 'every.every.add', 'params' => [1, 1]],
    ['methodName' => 'every.every.refuse', 'params' => ['in many']],
    ['methodName' => 'every.every.echo', 'params' => ['last']],
]);
say('multicall', 'first', $answers[0] === [2], $answers);
say('multicall', 'fault', $answers[1]['faultCode'] === -32500, $answers);
say('multicall', 'last', $answers[2] === ['last'], $answers);
