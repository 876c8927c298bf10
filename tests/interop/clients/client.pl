# Perl's RPC::XML::Client; see client.py for what is printed.
use strict;
use warnings;
use utf8;
use MIME::Base64;
use RPC::XML;
use RPC::XML::Client;

binmode STDOUT, ':utf8';
$RPC::XML::ENCODING = 'utf-8';
$RPC::XML::ALLOW_NIL = 1;
my $client = RPC::XML::Client->new($ARGV[0]);

my $string = "<shrubbery> & ]]> 'nih' \"!\" \x{e9} \x{2603} \x{1f600}";
my %wanted = (
    int      => RPC::XML::int->new(42),
    negative => RPC::XML::int->new(-2147483648),
    zero     => RPC::XML::int->new(0),
    true     => RPC::XML::boolean->new(1),
    false    => RPC::XML::boolean->new(0),
    double   => RPC::XML::double->new(0.815),
    minus    => RPC::XML::double->new(-1234.5),
    string   => RPC::XML::string->new($string),
    ascii    => RPC::XML::string->new('spam & <eggs>'),
    empty    => RPC::XML::string->new(''),
    lines    => RPC::XML::string->new("one\ntwo\n\tthree"),
    bytes    => RPC::XML::base64->new("\x00\x01\xfe\xff"),
    date     => RPC::XML::datetime_iso8601->new('20030828T12:34:56'),
    array    => RPC::XML::array->new(1, 'two', [3.5, RPC::XML::boolean->new(1)]),
    nothing  => RPC::XML::array->new(),
    struct   => RPC::XML::struct->new(john => 'cleese', terry => { gilliam => [1, 2] }),
    hollow   => RPC::XML::struct->new(),
);

sub say_it {
    my ($what, $name, $is_ok, $got) = @_;
    print "$what $name: ", ($is_ok ? 'ok' : defined $got ? $got : 'undef'), "\n";
}

# A value with its types, written in one way, so that two can be compared.
sub written {
    my ($value) = @_;
    my $type = $value->type;
    if ($type eq 'array') { return '[' . join(',', map { written($_) } @{$value}) . ']' }
    if ($type eq 'struct') {
        return '{' . join(',', map { "$_=" . written($value->{$_}) } sort keys %{$value}) . '}';
    }
    if ($type =~ /^i\d$/) { $type = 'int' }
    my $plain = $value->value;
    if ($type eq 'dateTime.iso8601') { $plain =~ s/[-Z]//g }
    return "$type " . (defined $plain ? $plain : 'nil');
}

sub answer { return $client->send_request(@_) }

my $given = answer('every.every.every');
for my $name (sort keys %wanted) {
    my $wanted = written($wanted{$name});
    my $got = written($given->{$name});
    say_it('given', $name, $got eq $wanted, $got);
    my $checked = answer('every.every.check', $name, $wanted{$name})->value;
    say_it('taken', $name, $checked eq 'ok', $checked);
    my $echoed = written(answer('every.every.echo', $wanted{$name}));
    say_it('echoed', $name, $echoed eq $wanted, $echoed);
}
my $big = answer('every.every.big');
say_it('given', 'big', $big->value == 2**40, written($big));
my $nil = answer('every.every.nothing');
say_it('given', 'nil', $nil->type eq 'nil', written($nil));
$nil = answer('every.every.echo', RPC::XML::nil->new());
say_it('taken', 'nil', $nil->type eq 'nil', written($nil));
my $sum = answer('every.every.add', 1, 4);
say_it('call', 'by position', $sum->value == 5, written($sum));
$sum = answer('every.every.add', 1);
say_it('call', 'by default', $sum->value == 3, written($sum));
$sum = answer('every.every.add', { b => 5, a => 1 });
say_it('call', 'by name', $sum->value == 6, written($sum));

sub fault {
    my ($name, $code, $text, @call) = @_;
    my $fault = answer(@call);
    my $is_ok = $fault->is_fault && $fault->code == $code && index($fault->string, $text) >= 0;
    say_it('fault', $name, $is_ok, written($fault));
}
fault('no method',  -32601, 'every.every.nonsense', 'every.every.nonsense');
fault('refused',    -32500, "refused: why \x{2603}", 'every.every.refuse', 'why');
fault('raised',     1007,   'nobody foresaw this', 'every.every.raise');
fault('wrong type', -32602, 'add(', 'every.every.add', 'one');

my $names = answer('system.listMethods')->value;
say_it('system', 'listMethods', scalar(grep { $_ eq 'every.every.add' } @{$names}), "@{$names}");
my $help = answer('system.methodHelp', 'every.every.add')->value;
say_it('system', 'methodHelp', $help eq 'Add two numbers.', $help);
my $rows = answer('system.methodSignature', 'every.every.add')->value;
say_it('system', 'methodSignature', scalar(grep { "@{$_}" eq 'int int int' } @{$rows}), $rows);
my $answers = answer('system.multicall', [
    { methodName => 'every.every.add', params => [1, 1] },
    { methodName => 'every.every.refuse', params => ['in many'] },
    { methodName => 'every.every.echo', params => ['last'] },
])->value;
say_it('multicall', 'first', $answers->[0][0] == 2, $answers->[0]);
say_it('multicall', 'fault', $answers->[1]{faultCode} == -32500, $answers->[1]);
say_it('multicall', 'last', $answers->[2][0] eq 'last', $answers->[2]);
