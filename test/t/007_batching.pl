# Rows computed together in whole servers: preloading, cancels and timeouts inside a batch, flat memory over a large table, a replica,
# many queries of every shape.  LEPTON_ROWS sets the rows of the large table, LEPTON_CANCELS how many cancels.
use strict;
use warnings;
use lib $ENV{PERL5LIB} ? () : 't';
use Lepton;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $cancels = $ENV{LEPTON_CANCELS} // 60;
my $rows = $ENV{LEPTON_ROWS} // 100000;
my $seed = $ENV{LEPTON_SEED} // int(time);
srand $seed;
note "seed $seed, $cancels cancels, $rows rows";

my $node = new_node('batching', allows_streaming => 1);
load_tiny($node);
$node->safe_psql(
	'postgres', qq{SELECT lepton_load_model('minilm', '$minilm');
	CREATE TABLE mail (id int, split text, label text, subject text, body text);
	COPY mail FROM '$ENV{LEPTON_EMAILS_CSV}' WITH (FORMAT csv, HEADER);
	CREATE TABLE large AS SELECT i AS id, 'message number ' || i AS body FROM generate_series(1, $rows) i;
	ANALYZE});

# Without preloading the first statement of a session runs row by row, the next one in batches.
my $query = q{SELECT count(lepton_embed(body, 'tiny')) FROM mail};
my $explain = "EXPLAIN (COSTS OFF) $query";
unlike($node->safe_psql('postgres', $explain), qr/LeptonBatch/, 'the first statement of a session knows no batches');
like($node->safe_psql('postgres', "$query; $explain"), qr/LeptonBatch/, 'the second does');
is($node->safe_psql('postgres', 'SELECT batching FROM lepton_batching'), 'f', 'and the view says so');
$node->append_conf('postgresql.conf', "session_preload_libraries = 'lepton'\nmax_parallel_workers_per_gather = 0\n");
$node->reload;
like($node->safe_psql('postgres', $explain), qr/LeptonBatch/, 'with preloading the first does too');
is($node->safe_psql('postgres', 'SELECT batching FROM lepton_batching'), 't', 'and the view says so');
$node->append_conf('postgresql.conf', "session_preload_libraries = ''\nshared_preload_libraries = 'lepton'\n");
$node->restart;
like($node->safe_psql('postgres', $explain), qr/LeptonBatch/, 'so it is with shared_preload_libraries');
ok($node->poll_query_until('postgres', "SELECT state = 'absent' AND reason = 'this build has no program lepton_gpu' FROM lepton_gpu"),
	'which starts no GPU where there is none');
my $said = () = slurp_file($node->logfile) =~ /lepton runs models on the CPU/g;
is($said, 1, 'and says so once');

# A replica.
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('batching_standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
my $digest = q{SELECT md5(string_agg(id || lepton_embed(subject, 'tiny')::text || lepton_classify(body, 'tiny_classify'), ';' ORDER BY id)) FROM mail};
my $want = $node->safe_psql('postgres', "SET lepton.enable_batching = off; $digest");
is($node->safe_psql('postgres', $digest), $want, 'same answer in batches');
is($standby->safe_psql('postgres', $digest), $want, 'and on a replica');
like($standby->safe_psql('postgres', $explain), qr/LeptonBatch/, 'which computes in batches too');
$standby->stop;

# Cancels inside a batch.
my $worker = Lepton::Session->new($node);
my $other = Lepton::Session->new($node);
my %statement = (
	select => q{SELECT count(lepton_embed(body, 'minilm')) FROM mail},
	where => q{SELECT count(*) FROM mail WHERE lepton_similarity(body, subject, 'minilm') > 2},
	update => q{UPDATE mail SET label = left(lepton_embed(body, 'minilm')::text, 9)},
	large => q{SELECT count(lepton_classify(body, 'tiny_classify')) FROM large});
my @names = sort keys %statement;
my (@latency, @wrong);
$worker->ask(q{SELECT lepton_embed('x', 'minilm')});
$worker->ask('SET lepton.batch_tokens = 16384');
for my $i (1 .. $cancels)
{
	$worker->send($statement{ $names[ $i % @names ] });
	sleep 0.02 + rand(0.3);
	my $started = time;
	$other->send("SELECT pg_cancel_backend($worker->{pid})");
	$worker->wait;
	push @latency, 1000 * (time - $started) if ($worker->{sqlstate} // '') eq '57014';
	$other->wait;
	push @wrong, "$worker->{err}" unless ($worker->{sqlstate} // '') =~ /^(57014|00000)$/;
	$worker->ask('SELECT 1');
	push @wrong, 'another answer' if $worker->ask(q{SELECT count(lepton_embed(subject, 'tiny')) FROM mail WHERE id < 9}) !~ /^\d$/;
}
is(join("\n", @wrong), '', "$cancels cancels: the session goes on");
note sprintf('cancel latency of %d statements: p50 %.1f ms, p99 %.1f ms, max %.1f ms',
	scalar(@latency), percentile(50, @latency), percentile(99, @latency), percentile(100, @latency));
cmp_ok(scalar(@latency), '>=', $cancels / 3, 'enough statements were running');
cmp_ok(percentile(99, @latency), '<', 1000, 'p99 is below a second even on a busy machine');
$worker->ask("SET statement_timeout = '150ms'");
my $started = time;
$worker->ask($statement{update});
is($worker->{sqlstate}, '57014', 'statement_timeout stops a batch');
note sprintf('after %.0f ms', 1000 * (time - $started));
$worker->ask('RESET statement_timeout');
my $left = $worker->ask(q{SELECT sum(total_bytes) FROM pg_backend_memory_contexts WHERE name ~ '^lepton (window|rows)'});
is($left, '', 'no window is left after errors');

# Memory over a large table.
sub high_water
{
	my ($pid) = @_;
	my ($kb) = slurp_file("/proc/$pid/status") =~ /^RssAnon:\s+(\d+) kB/m;
	return $kb;
}
my $reader = Lepton::Session->new($node);
$reader->ask(q{SELECT count(lepton_classify(body, 'tiny_classify')) FROM large WHERE id < 10000});
my $before = high_water($reader->{pid});
my $peak = 0;
$reader->send(q{SELECT count(lepton_embed(body, 'tiny')), count(lepton_classify(body, 'tiny_classify')) FROM large});
$started = time;
until ($reader->{out} =~ /<\d+ \w*>/)
{
	eval { $reader->{harness}->pump_nb };
	my $now = high_water($reader->{pid});
	$peak = $now if $now > $peak;
	sleep 0.05;
}
note sprintf('%d rows in %.1f s: %d kB of own memory before, at most %d kB while running', $rows, time - $started, $before, $peak);
cmp_ok($peak - $before, '<', 16 * 1024, 'memory is flat');
$_->close for $worker, $other, $reader;

$node->stop;
done_testing();
