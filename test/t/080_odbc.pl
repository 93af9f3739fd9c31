# Through psqlODBC, as Power BI and Excel come: a role that may only read sees schema crm as the catalogue has
# it, reads every view, and gets numbers, dates and texts as they are.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

eval { require DBI; require DBD::ODBC; 1 } or plan skip_all => 'DBD::ODBC is not there (libdbd-odbc-perl)';
my ($driver) = grep { -e } glob('/usr/lib/*/odbc/psqlodbcw.so');
plan skip_all => 'psqlODBC is not there (odbc-postgresql)' if !defined $driver;

my $node = PostgreSQL::Test::Cluster->new('odbc');
$node->init;
$node->append_conf('postgresql.conf', "timezone = 'UTC'");
$node->start;
$node->safe_psql('postgres', q(CREATE DATABASE shop ENCODING 'UTF8' TEMPLATE template0));
$node->safe_psql('shop', q(SET client_min_messages = warning; CREATE EXTENSION crm));
$node->safe_psql('shop', PostgreSQL::Test::Utils::slurp_file('test/t/include/clients.sql'));

my $odbc = DBI->connect("dbi:ODBC:Driver=$driver;Server=" . $node->host . ';Port=' . $node->port . ';Database=shop;UID=reader;',
	undef, undef, { RaiseError => 1, PrintError => 0, LongReadLen => 100000 });

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
my ($amount) = grep { $_->[3] eq 'reporting_amount' } @{ $odbc->column_info(undef, 'crm', 'fact_sales', '%')->fetchall_arrayref };
is("@$amount[4, 6, 8]", '2 14 2', 'an amount is SQL_NUMERIC(14, 2)');
my ($day) = grep { $_->[3] eq 'date_key' } @{ $odbc->column_info(undef, 'crm', 'fact_sales', '%')->fetchall_arrayref };
is($day->[4], 91, 'a day is SQL_TYPE_DATE');

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

ok(!eval { $odbc->do(q(UPDATE crm.orders SET owner = 'Eve')); 1 }, 'who may read may not write');
is($odbc->state, '42501', 'and hears why');
$odbc->disconnect;

done_testing();
