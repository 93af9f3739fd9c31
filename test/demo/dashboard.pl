# make dashboard, and the page in a browser: it shows what the views say, draws the process, needs nothing from outside,
# fits a phone, and takes names for what they are. CHROMIUM names the browser.
use strict;
use warnings;
use utf8;

use Encode qw(decode_utf8);
use File::Temp;
use JSON::PP;
use Test::More;

binmode Test::More->builder->$_, ':encoding(UTF-8)' for qw(output failure_output todo_output);

my ($browser) = grep { defined && qx(command -v '$_') } $ENV{CHROMIUM}, qw(chromium chromium-browser google-chrome);
if (!defined $browser)
{
	fail('a browser is there');
	diag('scripts/install-deps test gets Chromium');
	done_testing();
	exit 1;
}

# A make that runs us hands on its own flags, which are not for this one.
delete @ENV{qw(MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL DEMO_DATA)};
my $make = $ENV{MAKE} // 'make';
my $dir = File::Temp->newdir;
chmod 0755, $dir;

sub slurp
{
	my ($path) = @_;
	open my $file, '<:encoding(UTF-8)', $path or die "$path: $!";
	local $/;
	return scalar <$file>;
}

sub spew
{
	my ($path, $text) = @_;
	open my $file, '>:encoding(UTF-8)', $path or die "$path: $!";
	print $file $text;
	close $file or die "$path: $!";
	return $path;
}

# A database of its own, in which the SQL runs; its answers begin with "== name".
my $pages = 0;
sub page_of
{
	my ($sql, $mermaid) = @_;
	my $page = "$dir/page" . $pages++ . '.html';
	my $script = spew("$page.sql", "SET client_min_messages = warning;\nCREATE EXTENSION crm;\n\\o $page.log\n$sql\n\\o\n");
	my $set = $mermaid ? '--set=mermaid=test/mermaid/node_modules/mermaid/dist/mermaid.min.js' : '';
	my $output = decode_utf8(qx(scripts/with-server bash -c 'psql --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 --file=$script && psql --no-psqlrc --quiet $set --file=examples/dashboard/dashboard.sql --output=$page' 2>&1));
	is($?, 0, 'the page is written') or diag($output);
	return (slurp($page), slurp("$page.log") =~ s/.*^== figures\n//msr, $output);
}

# What a browser finds on the page, 360 or 1200 pixels wide, when nothing from outside is allowed: in a frame, as Chromium
# itself does not get as narrow as a phone.
my $watch = <<'E_JS';
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<script>
const faults = [];
addEventListener('error', (e) => faults.push(e.message));
addEventListener('unhandledrejection', (e) => faults.push(String(e.reason)));
addEventListener('securitypolicyviolation', (e) => faults.push(e.violatedDirective + ' ' + e.blockedURI));
for (const kind of ['error', 'warn']) console[kind] = (...what) => faults.push(what.join(' '));
let waited = 0;
function look() {
	const drawing = document.querySelector('.mermaid svg');
	if (!drawing && typeof mermaid !== 'undefined' && waited++ < 100) return setTimeout(look, 100);
	const texts = (what) => [...document.querySelectorAll(what)].map((e) => e.textContent.trim());
	parent.postMessage(JSON.stringify({
		faults, width: document.documentElement.scrollWidth, room: innerWidth, background: getComputedStyle(document.body).backgroundColor,
		states: texts('.mermaid svg .node .nodeLabel'), steps: texts('.mermaid svg .edgeLabel .edgeLabel p'),
		months: texts('#revenue .n'), funnel: texts('#funnel .n'), cohorts: texts('#cohorts tbody tr').length, heat: texts('#cohorts tbody td[style]'),
		products: texts('#products .name'), customers: texts('#customers td:first-child'), scripts: document.scripts.length,
		text: document.body.innerText }), '*');
}
addEventListener('load', () => setTimeout(look, 100));
</script>
E_JS

sub look_at
{
	my ($page, $width, $scheme) = @_;
	my $watched = spew("$dir/watched.html", $page =~ s/<head>\n/<head>\n$watch/r);
	my $frame = spew("$dir/frame.html", qq(<!DOCTYPE html><meta charset="utf-8"><pre id="seen"></pre>
<script>addEventListener('message', (e) => { document.getElementById('seen').textContent = e.data; });</script>
<iframe src="watched.html" style="width: ${width}px; height: 900px; border: 0"></iframe>));
	my $dark = $scheme eq 'dark' ? 0 : 1;
	my $dom = decode_utf8(qx('$browser' --headless --no-sandbox --disable-gpu --user-data-dir=$dir/browser --virtual-time-budget=20000 --blink-settings=preferredColorScheme=$dark --window-size=1400,1000 --dump-dom file://$frame 2>$dir/browser.log));
	my ($seen) = $dom =~ m{<pre id="seen">(.+?)</pre>}s;
	ok(defined $seen, "the browser shows it, $width pixels wide, $scheme") or diag(slurp("$dir/browser.log"));
	$seen //= '{}';
	$seen =~ s/&lt;/</g;
	$seen =~ s/&gt;/>/g;
	$seen =~ s/&nbsp;/ /g;
	$seen =~ s/&amp;/&/g;
	return JSON::PP->new->decode($seen);
}

# The shop, as a person makes it.
my $output = decode_utf8(qx($make -s --no-print-directory dashboard 2>&1 </dev/null));
is($?, 0, 'make dashboard succeeds') or diag($output);
like($output, qr/^Written: .*dashboard\.html$/m, '... and says where the page is');
my $page = slurp('dashboard.html');
my ($same, $figures) = page_of(q(
\i examples/shop/data.sql
\i examples/shop/walk.sql
\qecho == figures
SELECT json_build_object(
	'views', (SELECT json_agg(relname) FROM pg_class WHERE relnamespace = 'crm'::regnamespace AND relkind = 'v'),
	'months', (SELECT count(*) FROM crm.kpis), 'best_month', (SELECT to_char(max(revenue), 'FM999,990.00') FROM crm.kpis),
	'orders', (SELECT to_char(count(*), 'FM999,990') FROM crm.orders), 'sales', (SELECT to_char(sum(orders), 'FM999,990') FROM crm.kpis),
	'completed', (SELECT to_char(sum(orders), 'FM999,990') FROM crm.order_funnel WHERE status = 'completed'),
	'first_cohort', (SELECT json_agg(round(100 * retention)::text ORDER BY month_no) FROM crm.cohort_retention
		WHERE month_no > 0 AND cohort_month = (SELECT min(cohort_month) FROM crm.cohort_retention)),
	'heat', (SELECT sum(11 - n) FROM generate_series(0, 10) n),
	'product', (SELECT name FROM crm.fact_sales JOIN crm.dim_product USING (product_key) GROUP BY product_key, name ORDER BY sum(reporting_amount) DESC LIMIT 1),
	'customer', (SELECT name FROM crm.fact_sales JOIN crm.dim_customer USING (customer_key) GROUP BY customer_key, name ORDER BY sum(reporting_amount) DESC LIMIT 1));
), 1);
ok($page eq $same, 'two runs write the same page');
my $known = JSON::PP->new->decode($figures);
my %tables = map { $_ => 1 } slurp('examples/dashboard/dashboard.sql') =~ /\b(?:FROM|JOIN) crm\.(\w+)/g;
delete @tables{ @{ $known->{views} } };
is_deeply([ sort keys %tables ], [qw(settings workflows)], 'it asks views, and two tables for what is in none');

my $wide = look_at($page, 1200, 'light');
is_deeply($wide->{faults}, [], 'no error, and nothing from outside');
is(scalar @{ $wide->{months} }, $known->{months}, 'each month has its bar');
like($page, qr/: \Q$known->{best_month}\E, /, 'with its revenue');
is((grep { $_ eq $known->{sales} } split /\n/, $wide->{text}) > 0, 1, 'as many sales as the views have');
is_deeply([ @{ $wide->{funnel} }[ 0, -1 ] ], [ "$known->{orders} · 100 %", "$known->{completed} · 88 %" ], 'the funnel');
is_deeply([ @{ $wide->{heat} }[ 0 .. 10 ] ], $known->{first_cohort}, 'the first cohort');
is($wide->{cohorts}, $known->{months}, 'a row for each cohort');
is(scalar @{ $wide->{heat} }, $known->{heat}, 'and a cell for each month since');
is($wide->{products}[0], $known->{product}, 'the best product');
is($wide->{customers}[0], $known->{customer}, 'the best customer');
is_deeply([ sort @{ $wide->{states} } ], [ sort 'Awaiting payment', qw(cancelled completed paid pending refunded shipped) ], 'the process is drawn: its statuses');
is(scalar @{ $wide->{steps} }, 9, 'and its steps');

my $phone = look_at($page, 360, 'dark');
is_deeply($phone->{faults}, [], 'no error on a phone');
cmp_ok($phone->{width}, '<=', $phone->{room}, 'where the page is not wider than the screen');
is($phone->{room}, 360, 'which is narrow');
isnt($phone->{background}, $wide->{background}, 'and dark where people want it so');

# Names are shown, not run; what is unknown does no harm.
my $evil = q(<script>faults.push('run')</script><b title="x">'&amp;' %s :name \\ \");
my ($hostile) = page_of(q(
INSERT INTO crm.customers (name, region) VALUES ($$EVIL$$, $$<i>North$$), ('Plain', NULL);
INSERT INTO crm.products (sku, name, price) VALUES ('1', $$EVIL$$, 10), ('2', 'Cheap', 0.01);
INSERT INTO crm.workflows (name, definition) VALUES ('<u>&"', $$
    [*] --> sold
    state "<i>Sold</i> & done" as sold
    sold --> [*]
    class sold booked
$$);
INSERT INTO crm.orders (customer_id, workflow, placed_at) SELECT id, '<u>&"', now() FROM crm.customers, generate_series(1, 3);
SET session_replication_role = replica;
UPDATE crm.orders SET status = 'sold';
RESET session_replication_role;
INSERT INTO crm.order_lines (order_id, product_id, quantity, unit_price, discount) SELECT id, p, 1, 10, 10 * (p - 1) FROM crm.orders, generate_series(1, 2) p;
) =~ s/EVIL/$evil/gr, 1);
my $seen = look_at($hostile, 360, 'light');
is_deeply($seen->{faults}, [], 'no name runs as a script');
is($seen->{scripts}, 3, 'or is one');
is($seen->{products}[0], $evil, 'a product has the name that it has');
ok((grep { $_ eq $evil } @{ $seen->{customers} }), 'so has a customer');
like($seen->{text}, qr/The process “<u>&"”/, 'and a process');
cmp_ok($seen->{width}, '<=', $seen->{room}, 'long names do not widen the page');

# Nothing there yet, and no Mermaid: the page says so, and shows the process as text.
my ($empty) = page_of('', 0);
$seen = look_at($empty, 1200, 'light');
is_deeply($seen->{faults}, [], 'an empty database has a page');
like($seen->{text}, qr/There are no orders yet.*pending --> submitted : submit/s, 'that says so');

unlink 'dashboard.html';
done_testing();
