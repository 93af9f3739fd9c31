# Every command of the README runs: its SQL here, one block after the other, its shell commands in
# test/demo (make demo, make psql, make dashboard) or by whoever runs this (make, make install, make test).
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $readme = PostgreSQL::Test::Utils::slurp_file('README.md');

my $node = PostgreSQL::Test::Cluster->new('readme');
$node->init(allows_streaming => 'logical');
$node->start;
# newer releases of PostgreSQL want to be told which libraries may decode
if ($node->safe_psql('postgres', "SELECT count(*) FROM pg_settings WHERE name = 'output_plugin_libraries'") > 0)
{
	$node->append_conf('postgresql.conf', "output_plugin_libraries = 'pgoutput, test_decoding, wal2json'");
	$node->reload;
}
$node->safe_psql('postgres', "CREATE DATABASE readme ENCODING 'UTF8' TEMPLATE template0");

my $blocks = 0;
chomp(my $pkglibdir = qx("$ENV{PG_CONFIG}" --pkglibdir));
while ($readme =~ /^(?:<!-- refused: (\w{5}) -->\n)?(?:<!-- needs: (\w+) -->\n)?```sql\n(.*?)^```/msg)
{
	my ($sqlstate, $library, $sql) = ($1, $2, $3);
	my ($first) = $sql =~ /^(.*)/;
	next if defined $library && !-f "$pkglibdir/$library.so";
	my ($status, $out, $err) = $node->psql('readme', "\\set VERBOSITY verbose\n$sql");
	$blocks++;
	if (defined $sqlstate)
	{
		like($err, qr/ERROR:  $sqlstate:/, "refused with $sqlstate: $first");
	}
	else
	{
		is($status, 0, "runs: $first") or diag($err);
	}
}
cmp_ok($blocks, '>=', 8, 'the README has its SQL blocks');

# What its picture shows is what the table holds.
my ($picture) = $readme =~ /^```mermaid\n(.*?)^```/ms;
is($picture,
	$node->safe_psql('readme', q(SELECT definition FROM crm.workflows WHERE name = 'order')),
	'the picture is the workflow "order"');

# The steps that the README shows as a session, in their words.
$node->safe_psql('readme', q(INSERT INTO crm.orders (id, customer_id) VALUES (42, 1);
	INSERT INTO crm.order_lines (order_id, product_id, quantity) VALUES (42, 1, 3);
	SELECT crm_advance_order(42, 'submit')));
my ($session) = $readme =~ /^(=> SELECT crm_advance_order.*?)^```/ms;
for my $shown (split /\n(?==> )/, $session)
{
	my ($sql, $answer) = $shown =~ /^=> (.*?;)\n(.*)/s;
	my ($status, $out, $err) = $node->psql('readme', $sql);
	if ($answer =~ /^ERROR/)
	{
		$answer =~ s/\s+$//;
		like($err, qr/\Q$answer\E/, "answers as shown: $sql");
	}
	else
	{
		like($answer, qr/^ \Q$out\E$/m, "answers as shown: $sql");
	}
}

# Its query for faults in histories finds none in those that it has made.
my ($audit) = $readme =~ /^```sql\n(SELECT e\.order_id.*?)^```/ms;
is($node->safe_psql('readme', $audit), '', 'the audit finds no fault');

# Its tables of errors, settings and functions name what there is.
my %errors = map { $_ => 1 } $readme =~ /`(SL\d\d\d)`/g;
my $header = PostgreSQL::Test::Utils::slurp_file('src/errors.h');
while ($header =~ /MAKE_SQLSTATE\('(.)', '(.)', '(.)', '(.)', '(.)'\)/g)
{
	ok(delete $errors{"$1$2$3$4$5"}, "the README tells of SQLSTATE $1$2$3$4$5");
}
is_deeply([ sort keys %errors ], [], 'the README tells of no other SQLSTATE of ours');
for my $name (split /\n/,
	$node->safe_psql('readme', q(SELECT proname FROM pg_proc WHERE proname LIKE 'crm\_%' AND proname NOT LIKE 'crm\_workflow\_%'
		AND 'internal'::regtype <> ALL (proargtypes) -- parts of aggregates
		UNION ALL SELECT name FROM pg_settings WHERE name LIKE 'crm.%')))
{
	like($readme, qr/^\| `\Q$name\E\b/m, "the README's reference has $name");
}

# Shell commands: all of them are known to be run by some test.
my %known = map { $_ => 1 } ('make', 'make install', 'make installcheck', 'make demo', 'make dashboard', 'make test');
while ($readme =~ /^```sh\n(.*?)^```/msg)
{
	ok($known{$_}, "a test runs: $_") for split /\n/, $1;
}

done_testing();
