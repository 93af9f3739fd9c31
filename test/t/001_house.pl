# The house: what holds for the files and for the library, without any server.
use strict;
use warnings;

use JSON::PP;
use Test::More;

sub slurp
{
	my ($path) = @_;
	open my $file, '<', $path or die "$path: $!";
	local $/;
	return scalar <$file>;
}

my ($version) = slurp('crm.control') =~ /^default_version\s*=\s*'(.+)'/m;
my $meta = decode_json(slurp('META.json'));
is($meta->{version}, $version, 'META.json has the version of crm.control');
is($meta->{provides}{crm}{version}, $version, 'and so has the extension that it provides');

# Other libraries live in the same process.
chomp(my $pkglibdir = qx("$ENV{PG_CONFIG}" --pkglibdir));
my @symbols = map { (split)[2] } qx(nm -D --defined-only "$pkglibdir/crm.so");
my @foreign =
  grep { !/^(crm_|pg_finfo_crm_|Pg_magic_func$|_PG_init$)/ } @symbols;
cmp_ok(scalar @symbols, '>', 0, 'the library exports symbols');
is_deeply(\@foreign, [], 'all of them begin with crm_');

# PostgreSQL has ten places for callbacks on relations, its own and those of all extensions; with eight of ours
# there was none left for the process that feeds a subscriber.
my @callbacks = map { slurp($_) =~ /\bCacheRegisterRelcacheCallback\b/g } glob('src/*.c');
is(scalar @callbacks, 1, 'the library takes one place of the few for callbacks');

my @long = grep { (slurp($_) =~ tr/\n//) > 1000 } glob('src/*.{c,h}');
is_deeply(\@long, [], 'no source file has more than 1000 lines');

done_testing();
