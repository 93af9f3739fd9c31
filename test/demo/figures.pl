# The views on a year of a real shop: figures that are known from elsewhere.
use strict;
use warnings;

use File::Temp;
use Test::More;

my $packed = '../shared/data/online_retail.csv.xz';
plan skip_all => "$packed is not there" if !-e $packed;
my $dir = File::Temp->newdir;
chmod 0755, $dir;
system("xz --decompress --stdout $packed >$dir/online_retail.csv") == 0
  or BAIL_OUT("cannot unpack $packed (apt-get install xz-utils)");

# Each view is asked as a person or a tool would; an answer begins with the line "== name".
my %questions = (
	revenue => q(SELECT string_agg(revenue::text, ' ' ORDER BY year_month) FROM (
		SELECT year_month, sum(reporting_amount) AS revenue FROM crm.fact_sales JOIN crm.dim_date USING (date_key) GROUP BY 1) AS months),
	cents => q(SELECT round(sum(in_file), 4), string_agg(month || '+' || (in_file - revenue)::float8, ' ' ORDER BY month) FILTER (WHERE in_file <> revenue) FROM (
		SELECT left(invoice_date, 7) AS month, sum(quantity * unit_price) AS in_file FROM file
		WHERE customer_id <> '' AND invoice_no NOT LIKE 'C%' AND quantity > 0 AND unit_price > 0 GROUP BY 1) AS months
		FULL JOIN (SELECT year_month AS month, sum(reporting_amount) AS revenue FROM crm.fact_sales JOIN crm.dim_date USING (date_key) GROUP BY 1) AS sales USING (month)),
	active => q(SELECT string_agg(customers::text, ' ' ORDER BY year_month) FROM (
		SELECT year_month, count(DISTINCT customer_key) AS customers FROM crm.fact_sales JOIN crm.dim_date USING (date_key) GROUP BY 1) AS months),
	total => q(SELECT count(*), count(DISTINCT order_id), count(DISTINCT customer_key), sum(reporting_amount), sum(amount) FROM crm.fact_sales),
	order_totals => q(SELECT count(*), sum(line_count), sum(total), sum(reporting_total) FROM crm.orders),
	other_totals => q(SELECT count(*) FROM crm.orders o LEFT JOIN (SELECT order_id, count(*) AS n, sum(amount) AS amount FROM crm.order_lines GROUP BY 1) AS l ON l.order_id = o.id
		WHERE (o.line_count, o.total, o.reporting_total) IS DISTINCT FROM (coalesce(l.n, 0)::int, coalesce(l.amount, 0), coalesce(l.amount, 0))),
	kept_revenue => q(SELECT string_agg(amount::text, ' ' ORDER BY month) FROM (
		SELECT date_trunc('month', day) AS month, sum(amount) AS amount FROM crm.sales_by_day GROUP BY 1) AS months),
	kept_region => q(SELECT string_agg(amount::text, ' ' ORDER BY month) FROM (
		SELECT month, sum(amount) AS amount FROM crm.sales_by_region_month GROUP BY 1) AS months),
	kept_active => q(SELECT string_agg(customers::text, ' ' ORDER BY month) FROM (
		SELECT month, count(*) AS customers FROM crm.sales_by_customer_month GROUP BY 1) AS months),
	kept_best => q(SELECT string_agg(code || '=' || amount, ' ' ORDER BY amount DESC) FROM (
		SELECT code, sum(amount) AS amount FROM crm.sales_by_customer_month JOIN crm.customers c ON c.id = customer_id GROUP BY 1 ORDER BY 2 DESC LIMIT 3) AS best),
	kpis_revenue => q(SELECT string_agg(revenue::text, ' ' ORDER BY month) FROM crm.kpis),
	kpis_customers => q(SELECT string_agg(customers::text, ' ' ORDER BY month) FROM crm.kpis),
	year => q(SELECT days, customers, orders, revenue, customers_per_day, orders_per_day, revenue_per_day, average_order_value, conversion_rate, repeat_rate
		FROM crm_kpis('2010-12-01', '2011-11-30')),
	cohorts => q(SELECT string_agg(cohort_size::text, ' ' ORDER BY cohort_month) FROM crm.cohort_retention WHERE month_no = 0),
	first_cohort => q(SELECT string_agg(customers::text, ' ' ORDER BY active_month) FROM crm.cohort_retention WHERE cohort_month = '2010-12-01'),
	best => q(SELECT string_agg(code || '=' || revenue, ' ' ORDER BY revenue DESC) FROM (
		SELECT code, revenue FROM crm.customer_value JOIN crm.dim_customer USING (customer_key) ORDER BY revenue DESC LIMIT 3) AS best),
	demand => q(SELECT sum(customers), sum(buyers), sum(orders), sum(revenue) FROM crm.customer_demand),
	funnel => q(SELECT sum(orders), min(conversion_from_first), max(conversion_from_previous) FROM crm.order_funnel WHERE status = 'completed'),
	timeline => q(SELECT count(*), count(*) FILTER (WHERE completed_at = placed_at AND booked_at = closed_at) FROM crm.order_timeline),
	pair => q(SELECT product, other_product, orders FROM crm.product_affinity WHERE product < other_product ORDER BY orders DESC LIMIT 1),
	pairs => q(SELECT count(*), sum(orders) FROM crm_product_affinity(100)),
	pairs_in_sql => q(WITH sold AS (SELECT DISTINCT order_id, product_key FROM crm.fact_sales),
		often AS (SELECT order_id, product_key FROM sold JOIN (SELECT product_key FROM sold GROUP BY 1 HAVING count(*) >= 100) AS o USING (product_key))
		SELECT count(*), sum(n) FROM (SELECT count(*) AS n FROM often a JOIN often b USING (order_id) WHERE a.product_key <> b.product_key
			GROUP BY a.product_key, b.product_key HAVING count(*) >= 100) AS pairs),
	days => q(SELECT min(date_key), count(DISTINCT year_month) FILTER (WHERE year = 2011), count(*) FILTER (WHERE year = 2011) FROM crm.dim_date));
open my $script, '>', "$dir/figures.sql" or die $!;
print $script "SET client_min_messages = warning; CREATE EXTENSION crm; UPDATE crm.settings SET currency = 'GBP';\n\\o $dir/import.log\n",
  "\\set data $dir/online_retail.csv\n\\i examples/online_retail/import.sql\n\\o\n",
  "CREATE TEMPORARY TABLE file (invoice_no text, stock_code text, description text, quantity integer, invoice_date text, unit_price numeric, customer_id text, country text);\n",
  "\\copy file FROM $dir/online_retail.csv WITH (FORMAT csv, HEADER, FORCE_NOT_NULL (customer_id))\n",
  "\\pset tuples_only on\n\\pset format unaligned\n";
print $script "\\echo == $_\n$questions{$_};\n" for sort keys %questions;
print $script "\\o $dir/dashboard.html\n\\i examples/dashboard/dashboard.sql\n";
close $script;
my $output = `scripts/with-server psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --file=$dir/figures.sql 2>&1`;
is($?, 0, 'the import and every question succeed') or diag($output);
my %answers = $output =~ /^== (\w+)\n(.*?)(?=^== |\z)/msg;
chomp(%answers);

# Published figures of the usual sales filter, to the cent.
my $revenue = '572713.89 569445.04 447137.35 595500.76 469200.36 678594.56 661213.69 600091.01 645343.90 952838.38 1039318.79 1161817.38 518192.79';
my $active = '885 741 758 974 856 1056 991 949 935 1266 1364 1664 615';
is($answers{revenue}, $revenue, 'revenue by month, from the star');
# A few prices have three decimals, and lines are rounded to cents: by how much the sums of the file are more.
is($answers{cents}, '8911407.9040|2011-04+0.001 2011-07+0.001 2011-09+0.002', 'the file itself has some tenths of a cent more');
is($answers{active}, $active, 'active customers by month');
is($answers{total}, '397884|18532|4338|8911407.90|8911407.90', 'lines, orders, customers and revenue in all');
is($answers{order_totals}, '18532|397884|8911407.90|8911407.90', 'the totals that triggers keep on the orders come to the same');
is($answers{other_totals}, '0', 'and each is that of its lines');
is($answers{kept_revenue}, $revenue, 'revenue by month, from the sums that are kept by day');
is($answers{kept_region}, $revenue, 'and by region');
is($answers{kept_active}, $active, 'active customers by month, from those by customer');
is($answers{kept_best}, '14646=280206.02 18102=259657.30 17450=194550.79', 'and the best of them');
is($answers{kpis_revenue}, $revenue, 'revenue by month, from kpis');
is($answers{kpis_customers}, $active, 'customers by month, from kpis');
is($answers{cohorts}, '885 417 380 452 300 284 242 188 169 299 358 323 41', 'sizes of the cohorts');
is($answers{first_cohort}, '885 324 286 340 321 352 321 309 313 350 331 445 235', 'the first cohort over time');
is($answers{best}, '14646=280206.02 18102=259657.30 17450=194550.79', 'the best customers');

# The dashboard shows the same.
my $page = do { local (@ARGV, $/) = "$dir/dashboard.html"; <> };
is(join(' ', map { s/,//gr } $page =~ /title="\w+ \d{4}: ([\d,.]+), \d+ sales to /g), $revenue, 'revenue by month, on the dashboard');
is(join(' ', $page =~ / sales to (\d+) customers/g), $active, 'active customers by month');
is(join(' ', $page =~ /<td class="size">(\d+)/g), '885 417 380 452 300 284 242 188 169 299 358 323 41', 'sizes of the cohorts');
is(join(' ', $page =~ /title="(\d+) of 885, /g), '324 286 340 321 352 321 309 313 350 331 445 235', 'the first cohort over time');
like($page, qr/>Customer 14646<.*>280,206<.*\n.*>Customer 18102<.*>259,657<.*\n.*>Customer 17450<.*>194,551</, 'the best customers');

# What follows from them, or can be counted in two ways
is($answers{demand}, '4338|4338|18532|8911407.90', 'demand has all customers, orders and revenue');
is($answers{funnel}, '18532|1.0000|1.0000', 'all orders are completed');
is($answers{timeline}, '18532|18532', 'each has its timeline');
is($answers{pair}, 'JUMBO BAG PINK POLKADOT|JUMBO BAG RED RETROSPOT|546', 'what sells together most often');
is($answers{pairs}, $answers{pairs_in_sql}, 'pairs as plain SQL counts them');
is($answers{days}, '2010-01-01|12|365', 'the calendar begins with the year of the first order');
my ($days, $customers, $orders, $sales, $c, $r, $p, $value) = split /\|/, $answers{year};
is($days, 365, 'a year has 365 days');
is($c, sprintf('%.4f', $customers / 365), 'C = N / T');
is($r, sprintf('%.4f', $orders / 365), 'R = O / T');
is($p, sprintf('%.2f', $sales / 365), 'P = S / T');
is($value, sprintf('%.2f', $sales / $orders), 'the average order value');

done_testing();
