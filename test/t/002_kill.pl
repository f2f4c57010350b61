# Kills backends with SIGKILL at random moments of load, drop, first use and compression: nothing is lost, nothing is left behind.
# LEPTON_KILLS sets how many.
use strict;
use warnings;
use lib $ENV{PERL5LIB} ? () : 't';
use Lepton;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $kills = $ENV{LEPTON_KILLS} // 25;
my $seed = $ENV{LEPTON_SEED} // int(time);
srand $seed;
note "seed $seed, $kills kills";

my $node = new_node('kill');
$node->append_conf('postgresql.conf', "restart_after_crash = on\n");
$node->restart;
load_tiny($node);
my $answer = answer($node);
$node->safe_psql('postgres', "SELECT lepton_load_model('keeper', '$minilm')");
my $embed = q{SELECT md5(lepton_embed('the invoice is overdue', '%s')::text)};
my $keeper = $node->safe_psql('postgres', sprintf($embed, 'keeper'));
my $quantize = q{SELECT count(*) FROM lepton_quantize('tiny', 'small', sample => 'SELECT ''text number '' || i FROM generate_series(1, 400) i')};
my $chunks = 'SELECT count(*) FROM _lepton.lepton_model_chunk';
my $kept_chunks = $node->safe_psql('postgres', $chunks);

# How long each operation takes when it is left alone, to draw moments from.
my %duration;
my %statement = (
	load => "SELECT lepton_load_model('victim', '$minilm')",
	drop => "SELECT lepton_drop_model('victim')",
	quantize => $quantize,
	use => sprintf($embed, 'victim'));
for my $what (qw(load use drop quantize))
{
	remove_images() if $what eq 'use';
	my $started = time;
	$node->safe_psql('postgres', $statement{$what});
	$duration{$what} = time - $started;
	note sprintf('%s takes %.0f ms', $what, 1000 * $duration{$what});
}

my $small = $node->safe_psql('postgres', sprintf($embed, 'small'));
$node->safe_psql('postgres', "SELECT lepton_drop_model('small')");

# Images are a cache: without them the next use builds one.
sub remove_images
{
	my $dir = $node->data_dir . '/base/' . $node->safe_psql('postgres', 'SELECT oid FROM pg_database WHERE datname = current_database()');
	unlink glob("$dir/pgsql_tmp_lepton*");
	return;
}

# Wait until the server takes connections again.
sub wait_ready
{
	for (1 .. 600)
	{
		# A client that is refused may be gone before it reads its query: IPC::Run dies of the broken pipe.
		return 1 if eval { ($node->psql('postgres', 'SELECT 1'))[0] == 0 };
		sleep 0.1;
	}
	return 0;
}

my (%killed, %completed);
my @wrong;
for my $i (1 .. $kills)
{
	my $what = (qw(load drop use quantize))[$i % 4];
	my $there = $node->safe_psql('postgres', "SELECT count(*) FROM lepton_models WHERE name = 'victim'");
	if ($what eq 'load' && $there) { $node->safe_psql('postgres', $statement{drop}); }
	if ($what =~ /drop|use/ && !$there) { $node->safe_psql('postgres', $statement{load}); }
	remove_images() if $what eq 'use';

	my $session = Lepton::Session->new($node);
	$session->send($statement{$what});
	$session->{harness}->pump_nb;
	sleep rand($duration{$what} * 1.1);
	kill 'KILL', $session->{pid};
	$session->wait;
	defined $session->{sqlstate} ? $completed{$what}++ : $killed{$what}++;
	$session->close;

	if (!wait_ready()) { push @wrong, "$i $what: the server did not come back"; last; }
	my $state = $node->safe_psql('postgres', "SELECT count(*), count(*) FILTER (WHERE NOT lepton_verify(name::text)) FROM lepton_models WHERE name <> 'victim'");
	if ($node->safe_psql('postgres', "SELECT count(*) FROM lepton_models WHERE name = 'small'"))
	{
		push @wrong, "$i $what: the compressed model answers otherwise" if $node->safe_psql('postgres', sprintf($embed, 'small')) ne $small;
		push @wrong, "$i $what: the compressed model is damaged" if $state ne '4|0';
		$node->safe_psql('postgres', "SELECT lepton_drop_model('small')");
	}
	elsif ($state ne '3|0') { push @wrong, "$i $what: models $state"; }
	push @wrong, "$i $what: another answer" if answer($node) ne $answer;
	push @wrong, "$i $what: the keeper answers otherwise" if $node->safe_psql('postgres', sprintf($embed, 'keeper')) ne $keeper;
	$there = $node->safe_psql('postgres', "SELECT count(*) FROM lepton_models WHERE name = 'victim'");
	if ($what eq 'use' && !$there) { push @wrong, "$i use: the victim is gone"; }
	if ($there)
	{
		push @wrong, "$i $what: the victim is damaged" if $node->safe_psql('postgres', "SELECT lepton_verify('victim')") ne 't';
		push @wrong, "$i $what: the victim answers otherwise" if $node->safe_psql('postgres', sprintf($embed, 'victim')) ne $keeper;
	}
	else
	{
		my $n = $node->safe_psql('postgres', $chunks);
		push @wrong, "$i $what: $n chunks instead of $kept_chunks" if $n != $kept_chunks;
	}
}
is(join("\n", @wrong), '', "$kills kills: every model is whole or absent, every answer the same");
ok(scalar(keys %killed) >= 1, 'some kills met their operation running: '
		. join(', ', map { "$_ " . ($killed{$_} // 0) . " of " . (($killed{$_} // 0) + ($completed{$_} // 0)) } qw(load drop use quantize)));

# Leftovers: images under temporary names, and images of models that are gone, are swept by the next load or build.
$node->safe_psql('postgres', "SELECT lepton_drop_model(name::text) FROM lepton_models WHERE name = 'victim'");
remove_images();
answer($node);
$node->safe_psql('postgres', sprintf($embed, 'keeper'));
$node->safe_psql('postgres', $statement{load});
$node->safe_psql('postgres', sprintf($embed, 'victim'));
$node->safe_psql('postgres', $statement{drop});
my $contents = $node->safe_psql('postgres', 'SELECT count(DISTINCT hash) FROM _lepton.lepton_model');
my @files = images($node);
cmp_ok(scalar(@files), '<=', $contents, "no file is left behind: @files");
$node->stop;
done_testing();
