# The reader of the type crm_workflow against random texts and messages, with AddressSanitizer: the short run of
# test/fuzz/run, which tries the same ones each time.
use strict;
use warnings;

use IPC::Run;
use Test::More;

my ($stdout, $stderr);
ok(IPC::Run::run([ 'test/fuzz/run' ], '>', \$stdout, '2>', \$stderr), 'no input shows a fault')
  or diag($stderr);
my ($inputs, $workflows) = $stderr =~ /^crm fuzz: (\d+) inputs, (\d+) workflows/m;
cmp_ok($inputs // 0, '>=', 20_000, 'many were tried');
cmp_ok($workflows // 0, '>=', 300, 'and many of them were workflows');

done_testing();
