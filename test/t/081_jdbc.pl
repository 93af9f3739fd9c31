# Through the JDBC driver, as Tableau comes: the same as 080_odbc.pl, and the comments, which psqlODBC does not hand on.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# make test has installed it: there, this is a failure
sub missing
{
	my ($what) = @_;
	plan skip_all => $what if !$ENV{CRM_NO_SKIP};
	fail($what);
	done_testing();
	exit 1;
}
my $jar = '/usr/share/java/postgresql.jar';
missing("$jar is not there (libpostgresql-jdbc-java)") if !-e $jar;
missing('java with its compiler is not there (default-jdk-headless)') if system('java --list-modules 2>/dev/null | grep -q jdk.compiler') != 0;

my $node = PostgreSQL::Test::Cluster->new('jdbc');
$node->init;
$node->append_conf('postgresql.conf', "timezone = 'UTC'\nlisten_addresses = '127.0.0.1'"); # JDBC knows no sockets
$node->start;
$node->safe_psql('postgres', q(CREATE DATABASE shop ENCODING 'UTF8' TEMPLATE template0));
$node->safe_psql('shop', q(SET client_min_messages = warning; CREATE EXTENSION crm));
$node->safe_psql('shop', PostgreSQL::Test::Utils::slurp_file('test/t/include/clients.sql'));

my ($out, $err);
ok(IPC::Run::run([ 'java', '-cp', $jar, 'test/jdbc/Catalog.java', 'jdbc:postgresql://127.0.0.1:' . $node->port . '/shop', 'reader' ],
	'>', \$out, '2>', \$err), 'the client runs') or diag($err);
my %said;
for (split /\n/, $out // '')
{
	my ($kind, $rest) = /^(\w+)\t(.*)/ or next;
	push @{ $said{$kind} }, $rest;
}

sub all_of { return join "\n", sort @{ $said{ $_[0] } // [] } }
sub catalogue { return join "\n", sort split /\n/, $node->safe_psql('shop', $_[0]) }

like(all_of('schema'), qr/^crm$/m, 'the schema is listed');
is(all_of('table'), catalogue(q(SELECT concat_ws(E'\t', relname, CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, obj_description(oid, 'pg_class'))
	FROM pg_class WHERE relnamespace = 'crm'::regnamespace AND relkind IN ('r', 'v'))), 'tables and views, with their comments');
my %columns = map { my @c = split /\t/; ("$c[0].$c[1]" => [ @c[2 .. 5] ]) } @{ $said{column} };
my @differ;
for (split /\n/, $node->safe_psql('shop', q(SELECT concat_ws(E'\t', relname || '.' || attname, atttypid::regtype, coalesce(information_schema._pg_numeric_precision(atttypid, atttypmod), 0),
	coalesce(information_schema._pg_numeric_scale(atttypid, atttypmod), 0), col_description(attrelid, attnum))
	FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid WHERE relnamespace = 'crm'::regnamespace AND relkind IN ('r', 'v') AND attnum > 0 AND NOT attisdropped)))
{
	my ($name, $type, $precision, $scale, $comment) = split /\t/;
	my %types = (bigint => 'BIGINT', integer => 'INTEGER', numeric => 'NUMERIC', date => 'DATE', boolean => 'BIT', text => 'VARCHAR', 'timestamp with time zone' => 'TIMESTAMP');
	my $said = $columns{$name} // [ 'nothing', 0, 0, '' ];
	push @differ, "$name: @$said" if $said->[3] ne $comment || exists $types{$type} && $said->[0] ne $types{$type} || $type eq 'numeric' && "$said->[1],$said->[2]" ne "$precision,$scale";
}
cmp_ok(scalar keys %columns, '>', 200, 'columns');
is_deeply(\@differ, [], 'with the types, precisions and comments of the catalogue');
is(all_of('primary'), "line_no\t2\norder_id\t1", 'the primary key of the lines');
is(all_of('foreign'), "order_id\torders\tid\nproduct_id\tproducts\tid", 'and what they refer to');
is(all_of('rows'), join("\n", sort map { "$_\t" . $node->safe_psql('shop', "SELECT count(*) FROM crm.$_") }
	split /\n/, $node->safe_psql('shop', q(SELECT relname FROM pg_class WHERE relnamespace = 'crm'::regnamespace AND relkind = 'v'))), 'every view is read');
is_deeply($said{sale}, [ "王小明\t2026-02-28\t0.125\t0.01\t2\ttrue\t9000000000\t2026-02-28T13:00:00.123456Z",
	"王小明\t2026-02-28\t3.000\t999999999.99\t2\ttrue\t9000000000\t2026-02-28T13:00:00.123456Z",
	"José García\t2024-02-29\t1.500\t14.85\t2\tfalse\t9000000001\t2024-02-29T12:30:00Z" ], 'numbers, dates and texts are as they were entered');
is(all_of('refused'), "DELETE\t42501\nINSERT\t42501\nUPDATE\t42501", 'who may read may not write');

done_testing();
