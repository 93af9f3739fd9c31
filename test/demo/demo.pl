# make demo and make psql, as a person runs them. Not as the user postgres: they build and install.
use strict;
use warnings;

use File::Temp;
use Test::More;

sub run_make
{
	my ($arguments, $input) = @_;
	my $file = File::Temp->new;
	print $file $input // '';
	close $file;
	my $make = $ENV{MAKE} // 'make';
	my $output = `$make -s --no-print-directory $arguments <$file 2>&1`;
	return ($? >> 8, $output);
}

# A make that runs us hands on its own flags, which are not for this one.
delete @ENV{qw(MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL)};

my ($status, $output) = run_make('demo');
is($status, 0, 'make demo succeeds') or diag($output);
like($output, qr/completed\s*\|\s*\d+/, '... shows orders by status');
like($output, qr/ERROR:  .*order \d+ cannot/, '... shows a refused step');
like($output, qr/\bcreate\b/, '... shows the history of an order');
like($output, qr/[一-龥]|\p{Han}|[\xe4-\xe9][\x80-\xbf]{2}/, '... has Chinese names');

($status, $output) = run_make('psql', "SELECT 'orders: ' || count(*) FROM crm.orders;\n");
is($status, 0, 'make psql succeeds') or diag($output);
like($output, qr/orders: \d{4}/, '... leaves one in psql on the demo database');

($status, $output) = run_make('demo DATA=/no/such/file.csv');
isnt($status, 0, 'make demo DATA= of a file that is not there fails');
like($output, qr/no such file/, '... and says so');

# The real file, where the project has it.
my $packed = '../shared/data/online_retail.csv.xz';
SKIP:
{
	skip "$packed is not there: the import is not tried", 5 if !-e $packed;
	my $dir = File::Temp->newdir;
	chmod 0755, $dir;
	system("xz --decompress --stdout $packed >$dir/online_retail.csv") == 0
	  or BAIL_OUT("cannot unpack $packed (apt-get install xz-utils)");
	($status, $output) = run_make("demo DATA=$dir/online_retail.csv");
	is($status, 0, 'the import of Online Retail succeeds') or diag($output);
	like($output, qr/541,?909/, '... accounts for all 541,909 rows');
	like($output, qr/397,?884/, '... has the 397,884 lines of the usual sales filter');
	like($output, qr/4,?338/, '... of 4,338 customers');
	like($output, qr/8,?911,?407\.90/, '... with a revenue of 8,911,407.90');
}

done_testing();
