# Through psqlODBC, as Power BI and Excel come: a role that may only read sees schema crm as the catalogue has
# it, reads every view, and gets numbers, dates and texts as they are.
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
my $perl_driver = 'libdbd-odbc-perl';
if (!eval { require DBI; require DBD::ODBC; 1 })
{
	plan skip_all => "DBD::ODBC is not there, and this system has no package $perl_driver that could be installed"
	  if system("apt-get install --simulate --no-install-recommends $perl_driver >/dev/null 2>&1") != 0;
	missing("DBD::ODBC is not there ($perl_driver)");
}
my ($driver) = grep { -e } glob('/usr/lib/*/odbc/psqlodbcw.so');
missing('psqlODBC is not there (odbc-postgresql)') if !defined $driver;

my $node = PostgreSQL::Test::Cluster->new('odbc');
$node->init;
$node->append_conf('postgresql.conf', "timezone = 'UTC'");
$node->start;
$node->safe_psql('postgres', q(CREATE DATABASE shop ENCODING 'UTF8' TEMPLATE template0));
$node->safe_psql('shop', q(SET client_min_messages = warning; CREATE EXTENSION crm));
$node->safe_psql('shop', PostgreSQL::Test::Utils::slurp_file('test/t/include/clients.sql'));

sub connect_with
{
	my ($options) = @_;
	return DBI->connect("dbi:ODBC:Driver=$driver;Server=" . $node->host . ';Port=' . $node->port . ";Database=shop;UID=reader;$options",
		undef, undef, { RaiseError => 1, PrintError => 0, LongReadLen => 100000 });
}
my $odbc = connect_with('');

# all rows of a catalogue function, some columns of them
sub facts
{
	my ($sth, @columns) = @_;
	return join "\n", sort map { my $row = $_; join '|', map { $_ // '' } @$row[@columns] } @{ $sth->fetchall_arrayref };
}

like(facts($odbc->table_info('', '%', ''), 1), qr/^crm$/m, 'the schema is listed');
is(facts($odbc->table_info(undef, 'crm', '%', 'TABLE'), 2),
	$node->safe_psql('shop', q(SELECT relname COLLATE "C" FROM pg_class WHERE relnamespace = 'crm'::regnamespace AND relkind = 'r' ORDER BY 1)),
	'and its tables');
my $views = facts($odbc->table_info(undef, 'crm', '%', 'VIEW'), 2);
is($views, $node->safe_psql('shop', q(SELECT relname COLLATE "C" FROM pg_class WHERE relnamespace = 'crm'::regnamespace AND relkind = 'v' ORDER BY 1)),
	'and views');

# name, SQL type, size and decimals of each column
for my $view (split /\n/, $views)
{
	my @columns = @{ $odbc->column_info(undef, 'crm', $view, '%')->fetchall_arrayref };
	is(join("\n", map { $_->[3] . ' ' . ($_->[5] eq 'timestamptz' ? 'timestamptz' : $_->[5] eq 'numeric' ? "numeric($_->[6],$_->[8])" : $_->[5]) } @columns),
		$node->safe_psql('shop', qq(SELECT attname || ' ' || CASE WHEN atttypid = 'numeric'::regtype THEN format_type(atttypid, atttypmod) ELSE (SELECT typname FROM pg_type WHERE oid = atttypid) END
			FROM pg_attribute WHERE attrelid = 'crm.$view'::regclass AND attnum > 0 ORDER BY attnum)),
		"$view has the columns of the catalogue, with types, sizes and decimals");
}
# as ODBC knows them: SQL_BIGINT, SQL_INTEGER, SQL_NUMERIC, SQL_TYPE_DATE, SQL_TYPE_TIMESTAMP, SQL_VARCHAR and SQL_LONGVARCHAR
my @kinds = map { [ $_->[5], $_->[4], $_->[5] eq 'numeric' ? 'its own' : $_->[6] ] }
  grep { $views =~ /^\Q$_->[2]\E$/m } @{ $odbc->column_info(undef, 'crm', '%', '%')->fetchall_arrayref };
my %kinds = map { ("@$_" => 1) } @kinds;
cmp_ok(scalar @kinds, '>', 200, 'columns of views');
is_deeply([ sort keys %kinds ], [ 'bool 12 5', 'date 91 10', 'int4 4 10', 'int8 -5 19', 'numeric 2 its own', 'text -1 8190', 'timestamptz 93 26' ], 'have these types of ODBC, and these sizes');
my $as_varchar = connect_with('TextAsLongVarchar=0;');
is(join(' ', @{ $as_varchar->column_info(undef, 'crm', 'fact_sales', 'salesperson_key')->fetchrow_arrayref }[ 4, 6 ]), '12 255', 'a text is SQL_VARCHAR for those who ask for it');
is($as_varchar->selectrow_array(q(SELECT name FROM crm.dim_product WHERE product_key = 1)), 'Grüner Tee', 'and reads the same');
$as_varchar->disconnect;

# The driver has no comments to give, the catalogue has.
my @tables = @{ $odbc->table_info(undef, 'crm', '%', 'TABLE,VIEW')->fetchall_arrayref };
my @columns = @{ $odbc->column_info(undef, 'crm', '%', '%')->fetchall_arrayref };
is_deeply([ @tables > 40, @columns > 400, grep { length } map { $_ // '' } (map { $_->[4] } @tables), map { $_->[11] } @columns ], [ 1, 1 ], 'REMARKS are empty');
my $comments = q(SELECT c.relname || ' ' || coalesce(a.attname, '*') || ' ' || coalesce(CASE WHEN a.attnum IS NULL THEN obj_description(c.oid, 'pg_class') ELSE col_description(c.oid, a.attnum) END, 'none')
	FROM pg_class c CROSS JOIN LATERAL (SELECT attname, attnum FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 UNION ALL SELECT NULL, NULL) a
	WHERE c.relnamespace = to_regnamespace('crm') AND c.relkind = 'v' ORDER BY 1);
my @said = map { $_->[0] } @{ $odbc->selectall_arrayref($comments) };
is_deeply([ grep { /^\S+ \S+ (?:none)?$/ } @said ], [], 'a SELECT tells the comment of each view and column');
is(scalar @said, scalar(@kinds) + split(/\n/, $views), 'of all of them');
ok((grep { $_ eq 'dim_customer region Sales region or country, or "unknown"' } @said) == 1, 'as it was written');

is(facts($odbc->primary_key_info(undef, 'crm', 'order_lines'), 3, 4), "line_no|2\norder_id|1", 'the primary key of the lines');
is(facts($odbc->foreign_key_info(undef, undef, undef, undef, 'crm', 'order_lines'), 7, 2, 3), "order_id|orders|id\nproduct_id|products|id", 'and what they refer to');

is($odbc->selectrow_array("SELECT count(*) FROM crm.$_") // 0, $node->safe_psql('shop', "SELECT count(*) FROM crm.$_"), "counts the rows of $_")
  for split /\n/, $views;
ok(defined $odbc->selectall_arrayref("SELECT * FROM crm.$_"), "reads $_") for split /\n/, $views;

my $sales = $odbc->selectall_arrayref('SELECT c.name, s.date_key, s.quantity, s.reporting_amount, d.is_weekend, d.year_month, s.order_id
	FROM crm.fact_sales s JOIN crm.dim_customer c USING (customer_key) JOIN crm.dim_date d USING (date_key) ORDER BY s.order_id, s.line_no');
is(join("\n", map { join '|', @$_ } @$sales), "王小明|2026-02-28|0.125|0.01|1|2026-02|9000000000\n王小明|2026-02-28|3.000|999999999.99|1|2026-02|9000000000\nJosé García|2024-02-29|1.500|14.85|0|2024-02|9000000001",
	'numbers, dates and texts are as they were entered');
is(join('|', $odbc->selectrow_array('SELECT c.name FROM crm.dim_customer c WHERE c.name = ?', undef, 'José García') // ''), 'José García', 'also as parameters');

for my $write (q(UPDATE crm.orders SET owner = 'Eve'), q(INSERT INTO crm.customers (name) VALUES ('Eve')), q(DELETE FROM crm.activities), q(UPDATE crm.dim_product SET name = 'Eve'))
{
	ok(!eval { $odbc->do($write); 1 }, "who may read may not write: $write");
	is($odbc->state, '42501', 'and hears why');
}
$odbc->disconnect;

done_testing();
