# Backends and the program lepton_gpu are killed, and its device fails, while others embed: test/gpu/kills.py judges.  LEPTON_KILLS
# sets how many backends; a quarter as many programs.  How long a statement may hang is judged loosely: it runs beside whatever else the
# machine does.
use strict;
use warnings;
use lib $ENV{PERL5LIB} ? () : 't';
use File::Basename;
use Lepton;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'needs a program lepton_gpu with the emulated device (LEPTON_TAP_SERVER=gpu)' unless $ENV{LEPTON_HAS_GPU};

my $kills = $ENV{LEPTON_KILLS} // 25;
my $programs = int($kills / 4) || 1;

# Run it on a server whose device fails so; the options say what else happens.
sub run_kills
{
	my ($name, $failure, @options) = @_;
	local $ENV{LEPTON_EMULATED_FAIL} = $failure;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'lepton'\nshared_buffers = 32MB\nautovacuum = off\nrestart_after_crash = on\n");
	$node->start;
	my $script = dirname($data) . '/gpu/kills.py';
	local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port, PGDATABASE => 'postgres');
	my ($out, $err) = run_command([ 'python3', $script, '--model', "$data/tiny", '--limit', 10, @options ]);
	note $out, $err;
	like($out, qr/^\d+ passed, 0 failed$/m, $name);
	$node->stop;
	return;
}

run_kills('killed', '', '--terminate', $kills, '--program', $programs);
run_kills('failing', 'lost:1500', '--terminate', 0, '--program', 0, '--errors', $programs);
run_kills('crashing', '', '--terminate', 0, '--program', 0, '--crash', 3);
done_testing();
