# What lies in bi/ against the catalogue: what the files name is there, and the joins lose no row.
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

my (@facts, @joined);
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
		push @joined, "$fact.$key = $dimension.$key";
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

# The Power BI project: its files lead to one another.
sub content
{
	my ($path) = @_;
	return decode_json(PostgreSQL::Test::Utils::slurp_file("bi/$path"));
}

is(content('crm.pbip')->{artifacts}[0]{report}{path}, 'crm.Report', 'crm.pbip opens the report');
is(content('crm.Report/definition.pbir')->{datasetReference}{byPath}{path}, '../crm.SemanticModel', 'the report has the model');
is(content('crm.SemanticModel/definition.pbism')->{version}, '4.0', 'in a version that may be a model.bim');
ok(content("crm.Report/definition/$_.json"), "its $_ is JSON") for qw(version report);
my $pages = content('crm.Report/definition/pages/pages.json')->{pageOrder};
is(content("crm.Report/definition/pages/$_/page.json")->{name}, $_, "and so is its $_") for @$pages;

# The model: as written from this catalogue, and nothing lacks.
is(PostgreSQL::Test::Utils::slurp_file('bi/crm.SemanticModel/model.bim'),
	$node->safe_psql('shop', PostgreSQL::Test::Utils::slurp_file('bi/model.sql')) . "\n", 'model.bim is what bi/model.sql writes');
my $model = content('crm.SemanticModel/model.bim')->{model};
is_deeply({ map { lc $_->{name} => $_->{expression} =~ /^"(\w+)" meta \[IsParameterQuery=true,/ } @{ $model->{expressions} } },
	$pbids->{connections}[0]{details}{address}, 'its parameters are the address in crm.pbids');

my (@columns, @hidden);
for my $table (@{ $model->{tables} })
{
	is_deeply([ $table->{partitions}[0]{source}{expression}[2] =~ /\[Schema="(\w+)", Item="(\w+)"\]/ ], [ 'crm', $table->{name} ], "$table->{name} is its view");
	for my $column (@{ $table->{columns} })
	{
		push @columns, join("\t", $table->{name}, $table->{description}, map { $_ // '' } @$column{qw(sourceColumn description dataType)});
		push @hidden, "$table->{name}.$column->{name}" if $column->{isHidden};
	}
}
is(join("\n", sort @columns), $node->safe_psql('shop', q(
	SELECT string_agg(concat_ws(E'\t', relname, obj_description(c.oid, 'pg_class'), attname, col_description(c.oid, attnum), CASE format_type(atttypid, NULL)
		WHEN 'bigint' THEN 'int64' WHEN 'integer' THEN 'int64' WHEN 'numeric' THEN 'double' WHEN 'text' THEN 'string' WHEN 'boolean' THEN 'boolean'
		WHEN 'date' THEN 'dateTime' WHEN 'timestamp with time zone' THEN 'dateTime' ELSE '?' END), E'\n' ORDER BY relname COLLATE "C", attname COLLATE "C")
	FROM pg_class AS c JOIN pg_attribute ON attrelid = c.oid
	WHERE relnamespace = 'crm'::regnamespace AND relname ~ '^(fact|dim)_')), 'each fact, dimension and column is there with its comment and its type');

my @relationships = @{ $model->{relationships} };
is(join("\n", sort map { "$_->{fromTable}.$_->{fromColumn} = $_->{toTable}.$_->{toColumn}" } @relationships), join("\n", sort @joined),
	'the relationships are the joins of the files for Tableau');
is(join("\n", sort @hidden), join("\n", sort map { "$_->{fromTable}.$_->{fromColumn}" } @relationships), 'the keys of the facts are hidden, nothing else');
my %pairs = map { ("$_->{fromTable} $_->{toTable}" => 1) } @relationships;
is(scalar(keys %pairs), scalar(@relationships), 'no two tables have two relationships, of which one alone could be active');
my %to = map { ("$_->{toTable}.$_->{toColumn}" => $_) } @relationships;
for my $name (sort keys %to)
{
	is($node->safe_psql('shop', "SELECT count(*) - count(DISTINCT $to{$name}{toColumn}) FROM crm.$to{$name}{toTable}"), '0', "$name is unique");
}
is_deeply([ sort map { $_->{name} } grep { $_->{name} =~ /^dim_/ } @{ $model->{tables} } ], [ sort map { $_->{toTable} } values %to ], 'each dimension has one');
my ($dates) = grep { ($_->{dataCategory} // '') eq 'Time' } @{ $model->{tables} };
is_deeply([ $dates->{name}, map { $_->{name} } grep { $_->{isKey} } @{ $dates->{columns} } ], [ 'dim_date', 'date_key' ], 'dim_date is marked as the table of dates');

done_testing();
