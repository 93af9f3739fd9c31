# What crm_workflow accepts Mermaid draws: as it was written, in canonical form, and the same picture both times.
# CRM_SEED=number repeats the random part of a run.
use strict;
use warnings;
use utf8;

use Encode qw(encode_utf8);
use JSON::PP;
use List::Util qw(min sample shuffle uniq);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

if (system('node --version >/dev/null 2>&1') != 0 || !-d 'test/mermaid/node_modules')
{
	fail('Node.js and Mermaid are there');
	diag('scripts/install-deps test gets node and npm, with which scripts/run-tests installs Mermaid into test/mermaid');
	done_testing();
	exit 1;
}

my $seed = $ENV{CRM_SEED} || int(rand(2**31));
srand($seed);
diag("CRM_SEED=$seed");

my $node = PostgreSQL::Test::Cluster->new('mermaid');
$node->init;
$node->start;
$node->safe_psql('postgres', "CREATE DATABASE mermaid ENCODING 'UTF8' TEMPLATE template0");
$node->safe_psql('mermaid', q{
	CREATE EXTENSION crm;
	CREATE FUNCTION verdict(text, OUT canonical text, OUT again text, OUT state text, OUT message text)
	LANGUAGE plpgsql AS $$
	BEGIN
		canonical := $1::crm_workflow;
		again := canonical::crm_workflow;
	EXCEPTION WHEN others THEN
		GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
	END $$});

# Texts travel as a file of JSON, which both sides read by themselves: nothing has to be quoted.
my $json = JSON::PP->new->utf8->allow_nonref;

sub write_json
{
	my ($name, $texts) = @_;
	my $path = $node->basedir . "/$name.json";
	open my $file, '>', $path or die "$path: $!";
	print $file $json->encode($texts);
	close $file or die "$path: $!";
	return $path;
}

sub crm
{
	my $path = write_json('crm', [@_]);
	return @{ $json->decode($node->safe_psql('mermaid', qq{
		SELECT json_agg(v ORDER BY n)
		FROM json_array_elements_text(pg_read_file('$path')::json) WITH ORDINALITY AS t (text, n), verdict(text) AS v})) };
}

sub mermaid
{
	my $path = write_json('mermaid', [@_]);
	my $answer = qx(node test/mermaid/parse.mjs "$path");
	is($?, 0, 'parse.mjs runs') or die 'node test/mermaid/parse.mjs failed';
	return @{ $json->decode($answer) };
}

# Tests all that is said of texts which both should accept; returns how many crm did.
sub agree
{
	my ($what, @texts) = @_;
	my (%wrong, @written, @canonical);

	@texts = uniq @texts;
	my @verdicts = crm(@texts);
	for my $i (grep { defined $verdicts[$_]{canonical} } 0 .. $#texts)
	{
		push @written, $texts[$i];
		push @canonical, $verdicts[$i]{canonical};
	}
	my @forms = uniq @canonical;
	my (@drawn, %drawn);
	@drawn = mermaid(@written, @forms) if @written;
	@drawn{@forms} = splice @drawn, @written;
	for my $i (grep { defined $verdicts[$_]{message} && $verdicts[$_]{state} !~ /^(22P02|54000|SL...)$/ } 0 .. $#texts)
	{
		push @{ $wrong{refused} }, "$verdicts[$i]{state} $verdicts[$i]{message}\n$texts[$i]";
	}
	for my $i (0 .. $#written)
	{
		my ($was, $is) = ($drawn[$i], $drawn{ $canonical[$i] });
		push @{ $wrong{written} }, "$was\n$written[$i]" if !ref $was;
		push @{ $wrong{canonical} }, "$is\n$canonical[$i]\nof:\n$written[$i]" if !ref $is;
		push @{ $wrong{drawn} }, "@$was\n@$is\n$written[$i]" if ref $was && ref $is && "@$was" ne "@$is";
	}
	for my $verdict (grep { defined $_->{canonical} && $_->{canonical} ne $_->{again} } @verdicts)
	{
		push @{ $wrong{fixed} }, "$verdict->{canonical}becomes\n$verdict->{again}";
	}

	my @claims = (
		[ refused => 'refused as texts are' ], [ written => 'Mermaid accepts what crm accepts' ],
		[ canonical => 'and its canonical form' ], [ drawn => 'and draws the same' ],
		[ fixed => 'the canonical form stays as it is' ]);
	for my $claim (@claims)
	{
		my ($name, $says) = @$claim;
		my @faults = sort { length $a <=> length $b } @{ $wrong{$name} // [] };
		is(scalar @faults, 0, "$what: $says");
		diag(encode_utf8(join "\n--\n", @faults[ 0 .. min(2, $#faults) ])) if @faults;
	}
	return scalar @written;
}

sub slurp
{
	my ($path) = @_;
	my $text = PostgreSQL::Test::Utils::slurp_file($path);
	utf8::decode($text);
	return $text;
}

# The workflows that people meet: what is installed, the README's, the examples'.
my @met = @{ $json->decode($node->safe_psql('mermaid', 'SELECT json_agg(definition::text) FROM crm.workflows')) };
for my $path ('README.md', glob('examples/*/*.{md,sql}'))
{
	my $text = slurp($path);
	push @met, $text =~ /^```mermaid\n(.*?)^```/msg;
	push @met, map { "stateDiagram-v2\n$_" } grep { /^\s*\[\*\] -->/ } $text =~ /\$\$(.*?)\$\$/sg;
}
cmp_ok(agree('workflows of ours', @met), '>=', 2, 'there are some');

# The corpus: what crm and Mermaid say of each is what is written there.
my $corpus = slurp('test/mermaid/corpus.md');
my (@texts, @expected);
while ($corpus =~ /^(?:<!-- (refused|refused by both): (\w{5}) ([^\n]*) -->\n)?```mermaid\n(.*?)^```/msg)
{
	push @expected, [ $1 // 'accepted', $2, $3 ];
	push @texts, $4;
}
cmp_ok(scalar @texts, '>=', 60, 'the corpus has its diagrams');
my @said = crm(@texts);
my @drawn = mermaid(@texts);
for my $i (0 .. $#texts)
{
	my ($outcome, $state, $message) = @{ $expected[$i] };
	my $is = defined $said[$i]{canonical} ? 'accepted' : ref $drawn[$i] ? 'refused' : 'refused by both';
	my $matches = $is eq $outcome
	  && ($is eq 'accepted' || $said[$i]{state} eq $state && index($said[$i]{message}, $message) >= 0);
	ok($matches, 'diagram ' . ($i + 1) . " of the corpus is $outcome")
	  or diag(encode_utf8("$is $said[$i]{state} $said[$i]{message}\n$texts[$i]"));
}
my @accepted = @texts[ grep { $expected[$_][0] eq 'accepted' } 0 .. $#texts ];
is(agree('corpus', map { my $text = $_; map { $text =~ s/\n/$_/gr } "\n", "\r\n", "\r" } @accepted),
	3 * @accepted, 'whatever ends the lines');

# Random machines. Each is a tree of composites; it is valid by construction but for a few.
my @names = qw(draft offer Review paid shipped _held part2 x y zz Endlich statement notes classy clicks
  defaults hidden style2 title accTitles forks as_is left TB lr root2 direction_1 toString __proto__
  待付款 発送 отгружен zurück_geschickt σ é ñandú ترك क ｶﾅ 𝒳 noteé classé stateß _１);
my @words = qw(go Send pay_back 付款 отказ click default state note end after_all direction2 as über);
my @texts_shown = ('On its way', 'a {b} c', 'x: y; z', '-- 50 % -->', '#35; #', '状態 → ok', "don't", '<b>bold</b> & <br/>',
	'[*]', 'state', '} %', ':::', 'as x', '\\n', '..', '🙂');

sub pick { return $_[ rand @_ ] }
sub chance { return rand() < $_[0] }

my ($out, $depth, @free, @nodes, @leaves, $number);

sub line
{
	$out .= pick('    ' x $depth, "\t" x $depth, '', '  ') . join('', @_) . pick(('') x 8, ' ', "\t") . "\n";
}

sub gap { return pick((' ') x 6, '', '  ', "\t") }

sub edge
{
	my ($from, $to, @label) = @_;
	line($from, gap(), '-->', gap(), $to, @label ? (gap(), ':', gap(), @label) : chance(0.1) ? ' %% on it goes' : ());
}

# Events have numbers, so that none leads two ways.
sub event { return pick(@words) . '_' . $number++ }
sub guard { return gap() . '[' . pick('', ' ') . pick(@names) . pick('', ' ') . ']' }

sub label
{
	return event() if chance(0.5);
	return join(pick(',', ', ', ' , '), map { event() } 1 .. 1 + rand 3) . (chance(0.5) ? guard() : '') if chance(0.5);
	return join(' ', pick('after', 'after '), ++$number, pick(qw(second seconds minutes hours DAY days weeks months Years)))
	  . (chance(0.3) ? guard() : '') if chance(0.7);
	return 'after ' . (2 + $number++) . ' days 3 hours';
}

# Statements that say nothing about the machine.
sub look
{
	my ($name) = map { $_->{name} } pick(@_);
	my $text = pick(@texts_shown);
	my @looks = (
		sub { line(pick('direction', 'Direction'), ' ', pick(qw(LR RL TB BT))) },
		sub { line('%% ', $text, pick('', ' [*] --> nowhere')) },
		sub { $out .= pick("\n", "%%\n", "  \n") },
		sub { line('classDef ', pick(qw(c1 hot _x)), ' fill:#f96,color:', pick('red', 'white;')) });
	push @looks, sub { line(pick('note', 'NOTE'), pick(' left of ', ' right of '), $name, ' : ', $text =~ s/[:;]/,/gr) },
	  sub {
		line('note right of ', $name);
		line($_) for map { s/^:+//r } shuffle @texts_shown[ 0 .. rand 4 ];
		line(pick('end note', 'End Note'));
	  }
	  if defined $name;
	push @looks, sub { line('style ', $name, ' fill:#bbf') } if ($name // '') =~ /^\w+$/a;
	push @looks, sub { line('scale ', int(rand 900), ' width') }, sub { line('hide empty description') },
	  sub { line('accTitle: ', $text) }, sub { line('accDescr { ', $text =~ s/[{}]//gr, "\n", 'more }') },
	  sub { $out .= "click $name " . pick('href "https://x.org/?a=b;c"', '"https://x.org" "tip"') . "\n" }
	  if defined $name && $depth == 1;
	pick(@looks)->();
}

# What stands between two braces (or at the top): its members, one leading to the next.
sub body
{
	my ($level) = @_;
	my @members;
	for (1 .. 1 + rand($level ? 3 : 5))
	{
		last if !@free;
		my $member = { name => pop @free };
		push @members, $member;
		my $shown = chance(0.25) ? pick(@texts_shown) : undef;
		if ($level < 3 && @free > 3 && chance(0.3))
		{
			line('state ', defined $shown ? "\"$shown\" as " : '', $member->{name}, pick(' ', '', '  '), '{');
			$depth++;
			body($level + 1);
			$depth--;
			line('}', pick('', '', ' %% done'));
			push @nodes, $member;
		}
		else
		{
			line($member->{name}, pick('', ' %% bare')) if chance(0.2);
			line(pick('state', 'State'), ' "', $shown, '" as ', $member->{name}) if defined $shown;
			line($member->{name}, gap(), ': ', pick(grep { !/;|::/ } @texts_shown)) if !defined $shown && chance(0.1);
			push @leaves, $member;
		}
		look(@members) if chance(0.2);
	}
	line('[*]', gap(), '-->', gap(), $members[0]{name});
	edge($members[$_]{name}, $members[ $_ + 1 ]{name}, label()) for shuffle 0 .. $#members - 1;
	line($members[-1]{name}, ' --> [*]') if $level == 0 || chance(0.3);
}

sub machine
{
	@free = shuffle(@names);
	splice @free, 3 + rand 9;
	($out, $depth, $number) = ('', 1, 0);
	@nodes = @leaves = ();

	body(0);
	my $body = $out;
	$out = '';
	for (1 .. rand 4)
	{
		my ($from, $to) = map { pick(@leaves, @nodes)->{name} } 1 .. 2;
		edge($from, $to, label());
	}
	if (chance(0.3))
	{
		my ($from, @to) = map { pick(@leaves)->{name} } 1 .. 3;
		my $event = event();
		edge($from, $to[0], "$event [first]");
		edge($from, $to[1], $event);
	}
	edge(pick(@leaves)->{name}, pick(@leaves)->{name}) if chance(0.1);
	look(@leaves, @nodes) for 1 .. rand 3;
	my @ascii = grep { /^\w+$/a } map { $_->{name} } @leaves, @nodes;
	line('class ', join(pick(',', ', '), sample(2, @ascii)), ' ', pick(qw(open done 済))) if @ascii;
	line(pick(@leaves)->{name}, ':::', pick(qw(open done 済))) if chance(0.3);
	my $header = pick('stateDiagram-v2', 'stateDiagram-v2', 'stateDiagram', 'stateDiagram-V2 ', "\n  stateDiagram-v2\t%% drawn");
	$header = "---\ntitle: Random\n---\n$header" if chance(0.05) && $header !~ /^\n/;
	$header = "%%{init: {\"theme\": \"dark\"}}%%\n$header" if chance(0.05) && $header !~ /^---/;
	my $text = "$header\n" . (chance(0.5) ? $body . $out : $out . $body);
	$text =~ s/\n/\r\n/g if chance(0.1);
	return $text;
}

my @machines = map { machine() } 1 .. 1000;
cmp_ok(agree('random machines', @machines), '>=', 900, 'most of 1,000 are valid');

# Mutations: most break a text. Where crm does not mind, Mermaid must not.
my @tokens = (':::', '[x]', '[*]', '{', '}', ';', '"', "'", ':', '::', ',', '-->', '--', '->', '-', ' ', "\t", "\f", "\n", "\r",
	'%%', '%%{', '}%%', '#', '<<fork>>', '[[choice]]', 'state ', 'state "x" as ', 'note ', 'note right of x : ', 'end note', 'end',
	'class ', 'classDef ', 'style ', 'direction LR', 'direction', ' LR', 'tb', 'scale ', 'hide empty description', 'accTitle: ',
	'accDescr {', 'click ', 'href ', 'default', 'as ', 'after 3 days', 'root', 'é', '待', "\x{a0}", "\x{3000}", "\x{200b}", "\x{feff}",
	"\x{2028}", "\x{85}", '１', '`', '\\', '*', '(', '/', '.', '=', '&amp;', '<b x="y">', '_', '9');

sub mutate
{
	my @lines = split /(?<=\n)/, shift;
	my $i = int rand @lines;
	my $kind = rand 10;
	if ($kind < 1) { splice @lines, $i, 1 if @lines > 1 }
	elsif ($kind < 2) { splice @lines, rand @lines, 0, $lines[$i] }
	elsif ($kind < 3) { push @lines, splice @lines, $i, 1 }
	elsif ($kind < 3.5) { $lines[$i] =~ s/\s+$// }
	elsif ($kind < 4) { substr $lines[$i], rand length $lines[$i], 1, '' }
	elsif ($kind < 8)
	{
		# at the edge of a word or a sign, where it matters
		my @places = (0);
		push @places, pos $lines[$i] while $lines[$i] =~ /\b|(?<=\S)(?=\s)|(?=$)/g && defined pos $lines[$i];
		substr $lines[$i], pick(@places), 0, pick(@tokens);
	}
	elsif ($kind < 9) { substr $lines[$i], rand length $lines[$i], 0, pick(@tokens) }
	elsif ($kind < 9.5) { $lines[$i] =~ s/(\w+)/pick(@tokens, @names)/e }
	else { splice @lines, $i, 0, join(pick('', ' '), map { pick(@tokens, @names) } 1 .. 1 + rand 5) . "\n" }
	return join '', @lines;
}

# Two exceptions: crm takes texts without the header, and does not look at the YAML of front matter.
my @mutants = map {
	my $text = $_;
	$text = mutate($text) for 1 .. pick(1, 1, 2, 3);
	$text
} map { pick(@accepted, @texts, @machines[ 0 .. 200 ]) } 1 .. 4000;
my $mutants = agree('mutations', grep { /^(?:\s|%%\{.*?\}%%|%%(?!\{)[^\r\n]*+)*+stateDiagram/si } @mutants);
cmp_ok($mutants, '>=', 400, "some of 4,000 are valid ($mutants)");

$node->stop;
done_testing();
