# bi/crm.tds and bi/crm.pbids against the catalogue: what they name is there, and the joins lose no sale.
use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('bi');
$node->init;
$node->start;
$node->safe_psql('postgres', q(CREATE DATABASE shop ENCODING 'UTF8' TEMPLATE template0));
$node->safe_psql('shop', q(SET client_min_messages = warning; CREATE EXTENSION crm));
$node->safe_psql('shop', PostgreSQL::Test::Utils::slurp_file('test/t/include/clients.sql'));

my $pbids = decode_json(PostgreSQL::Test::Utils::slurp_file('bi/crm.pbids'));
is($pbids->{version}, '0.1', 'crm.pbids has the version that Power BI reads');
is(scalar @{ $pbids->{connections} }, 1, 'and one connection');
is($pbids->{connections}[0]{details}{protocol}, 'postgresql', 'to PostgreSQL');

# As the tags say, nothing else; an attribute is quoted by '.
my $tds = PostgreSQL::Test::Utils::slurp_file('bi/crm.tds');
my $rest = $tds;
ok($rest =~ s/^<\?xml [^?>]*\?>\s*//, 'crm.tds is XML');
my (@open, @faults);
while ($rest =~ s/^\s*<(\/?)([\w-]+)((?:\s+[\w:-]+='[^'<]*')*)\s*(\/?)>\s*//)
{
	if ($1 eq '/') { push @faults, "</$2>" if (pop @open // '') ne $2 }
	elsif ($4 eq '') { push @open, $2 }
}
is($rest . "@open@faults", '', 'with each tag closed');

my %views = map { $_ => 1 } $tds =~ /table='\[crm\]\.\[(\w+)\]'/g;
my @named = $tds =~ /name='(\w+)' table=/g;
is_deeply([ sort @named ], [ sort keys %views ], 'a relation has the name of its view');
my $n = 0;
my $joins = '';
while ($tds =~ /<expression op='\[(\w+)\]\.\[(\w+)\]' \/>\s*<expression op='\[(\w+)\]\.\[(\w+)\]' \/>/g)
{
	my ($fact, $key, $dimension, $same) = ($1, $2, $3, $4);
	$n++;
	ok($views{$fact} && $views{$dimension} && $key eq $same, "joins $fact and $dimension by $key");
	is($node->safe_psql('shop', qq(SELECT count(DISTINCT atttypid) || ' type of ' || count(*) FROM pg_attribute
		WHERE attrelid IN ('crm.$fact'::regclass, 'crm.$dimension'::regclass) AND attname = '$key')), '1 type of 2', 'which both have');
	$joins .= " JOIN crm.$dimension USING ($key)";
}
is($n, scalar(keys %views) - 1, 'each dimension is joined');
is($node->safe_psql('shop', q(SELECT string_agg(attname, ' ' ORDER BY attname) FROM pg_attribute WHERE attrelid = 'crm.fact_sales'::regclass AND attname LIKE '%\_key')),
	join(' ', sort $tds =~ /\[fact_sales\]\.\[(\w+)\]/g), 'by every key of the fact');
is($node->safe_psql('shop', "SELECT count(*), sum(reporting_amount) FROM crm.fact_sales$joins"),
	$node->safe_psql('shop', 'SELECT count(*), sum(reporting_amount) FROM crm.fact_sales'), 'and no sale is lost or doubled');

done_testing();
