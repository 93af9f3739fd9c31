# bi/*.tds and bi/crm.pbids against the catalogue: what they name is there, and the joins lose no row.
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

my @facts;
for my $path (sort glob('bi/*.tds'))
{
	# As the tags say, nothing else; an attribute is quoted by '.
	my $tds = PostgreSQL::Test::Utils::slurp_file($path);
	my $rest = $tds;
	ok($rest =~ s/^<\?xml [^?>]*\?>\s*//, "$path is XML");
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
	my ($fact, @others) = grep { /^fact_/ } keys %views;
	is_deeply(\@others, [], 'it has one fact');
	push @facts, $fact;
	my $n = 0;
	my $joins = '';
	while ($tds =~ /<expression op='\[(\w+)\]\.\[(\w+)\]' \/>\s*<expression op='\[(\w+)\]\.\[(\w+)\]' \/>/g)
	{
		my ($left, $key, $dimension, $same) = ($1, $2, $3, $4);
		$n++;
		ok($left eq $fact && $views{$dimension} && $key eq $same, "joins $fact and $dimension by $key");
		is($node->safe_psql('shop', qq(SELECT count(DISTINCT atttypid) || ' type of ' || count(*) FROM pg_attribute
			WHERE attrelid IN ('crm.$fact'::regclass, 'crm.$dimension'::regclass) AND attname = '$key')), '1 type of 2', 'which both have');
		$joins .= " JOIN crm.$dimension USING ($key)";
	}
	is($n, scalar(keys %views) - 1, 'each dimension is joined');
	is($node->safe_psql('shop', qq(SELECT string_agg(attname, ' ' ORDER BY attname) FROM pg_attribute WHERE attrelid = 'crm.$fact'::regclass AND attname LIKE '%\\_key')),
		join(' ', sort $tds =~ /\[$fact\]\.\[(\w+)\]/g), 'by every key of the fact');
	my $rows = $node->safe_psql('shop', "SELECT f FROM crm.$fact f ORDER BY 1");
	isnt($rows, '', 'which has rows');
	is($node->safe_psql('shop', "SELECT f FROM crm.$fact f$joins ORDER BY 1"), $rows, 'and none is lost or doubled');
}
is(join("\n", sort @facts), $node->safe_psql('shop', q(SELECT relname COLLATE "C" FROM pg_class WHERE relnamespace = 'crm'::regnamespace AND relname LIKE 'fact\_%' ORDER BY 1)),
	'there is a file for each fact');

done_testing();
