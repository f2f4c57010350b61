# Models on a GPU that one program owns for all sessions, with the emulated device: where batches run, what the views say, what is left of
# a session when the program, the device, a backend or a model goes away.
use strict;
use warnings;
use lib $ENV{PERL5LIB} ? () : 't';
use Lepton;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

plan skip_all => 'needs a program lepton_gpu with the emulated device (LEPTON_TAP_SERVER=gpu)' unless $ENV{LEPTON_HAS_GPU};

my $node = PostgreSQL::Test::Cluster->new('gpu');
$node->init(allows_streaming => 1, extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'lepton'\nshared_buffers = 32MB\nautovacuum = off\nmax_wal_size = 2GB\n"
	. "restart_after_crash = on\n");
$node->start;

# One value.
sub sql { return $node->safe_psql('postgres', $_[0]); }

# Wait until the program takes connections; its process id.
sub wait_ready
{
	my ($n) = @_;
	$n //= $node;
	for (1 .. 200)
	{
		my $pid = eval { $n->safe_psql('postgres', "SELECT pid FROM lepton_gpu WHERE state = 'ready'") };
		return $pid if $pid;
		sleep 0.05;
	}
	return 0;
}

# Lines of the log since a place that match.
sub count_log
{
	my ($pattern, $from) = @_;
	my $log = substr(slurp_file($node->logfile), $from);
	my $n = () = $log =~ /$pattern/g;
	return $n;
}

# Does a process exist?
sub lives { return kill(0, $_[0]); }

# Wait until a condition holds.
sub soon
{
	my ($test) = @_;
	for (1 .. 100) { return 1 if $test->(); sleep 0.05; }
	return 0;
}

load_tiny($node);
my $first = wait_ready();
ok($first, 'the program takes connections');
is(sql('SELECT count(*), min(state), min(device), bool_and(reason IS NULL) FROM lepton_gpu'), '1|ready|emulated|t', 'the view has one row');

# Near the CPU's answers, everywhere.
sql(q{CREATE TABLE mail AS SELECT i AS id, 'message number ' || i || repeat(' word', i % 40) AS body FROM generate_series(1, 2000) i;
	ANALYZE mail;
	SET lepton.device = cpu;
	CREATE TABLE expected AS SELECT id, body, lepton_embed(body, 'tiny') AS e, lepton_classify(body, 'tiny_classify') AS label FROM mail;
	CREATE TABLE tags (body text, label text);
	CREATE TRIGGER tag BEFORE INSERT ON tags FOR EACH ROW EXECUTE FUNCTION lepton_classify_trigger(label, tiny_classify, body)});
my $far = q{SELECT count(*) FROM (SELECT e, lepton_embed(body, 'tiny') AS g FROM expected OFFSET 0) s
	WHERE (SELECT max(abs(x - y)) FROM unnest(e, g) AS u(x, y)) > 0.02};
my $gpu = 'SET lepton.device = gpu;';
is(sql("$gpu $far"), 0, 'a scan under gpu gives what the CPU gives');
is(sql("$gpu SET max_parallel_workers_per_gather = 3; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; $far"),
	0, 'so do parallel workers');
is(sql("$gpu SELECT count(*) FROM expected WHERE label <> lepton_classify(body, 'tiny_classify')"), 0, 'so do labels');
is(sql("$gpu INSERT INTO tags SELECT body FROM mail LIMIT 50; SELECT count(*) FROM tags JOIN expected USING (body) WHERE tags.label = expected.label"),
	50, 'so does a trigger');
is(sql("$gpu SELECT max(abs(x - y)) < 0.001 FROM unnest(lepton_embed('a b', 'tiny'), lepton_embed(ARRAY['a b'], 'tiny')) AS u(x, y)"), 't', 'so does an array');
my $tokens = sql('SELECT tokens FROM lepton_gpu');
sql(q{SELECT count(*) FROM lepton_train('head', 'tiny', 'SELECT body, label FROM expected LIMIT 200')});
cmp_ok(sql('SELECT tokens FROM lepton_gpu'), '>', $tokens, 'training embeds on the GPU');
$tokens = sql('SELECT tokens FROM lepton_gpu');
sql(q{SELECT count(*) FROM lepton_compare('tiny', 'tiny', 'SELECT body FROM expected LIMIT 20')});
cmp_ok(sql('SELECT tokens FROM lepton_gpu'), '>', $tokens, 'so does a comparison');

# What is said about it.
my $explain = 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF)';
my $query = "SELECT count(lepton_embed(body, 'tiny')) FROM mail";
like(sql("LOAD 'lepton'; $explain $query"), qr/Device: gpu\n/, 'EXPLAIN says gpu');
like(sql("SET lepton.device = cpu; $explain $query"), qr/Device: cpu\n/, 'EXPLAIN says cpu');
sql('SELECT lepton_stat_reset()');
sql("$gpu SET max_parallel_workers_per_gather = 0; $query");
is(sql("SELECT calls > 0, rows, tokens > 0, batches > 0, time > 0 FROM lepton_stat_models WHERE name = 'tiny'"), 't|2000|t|t|t', 'the work is counted');
is(sql('SELECT models >= 2, model_memory > 0, memory_used >= model_memory, batches > 0, requests >= batches, time > 0, failures FROM lepton_gpu'),
	't|t|t|t|t|t|0', 'the figures make sense');

# The program is killed: in the middle of a scan, and while nobody uses it.
my $from = -s $node->logfile;
my $session = Lepton::Session->new($node);
my $strict = Lepton::Session->new($node);
$strict->ask('SET lepton.device = gpu');
for my $i (1 .. 3)
{
	my $pid = wait_ready();
	$session->send($far);
	sleep 0.02 * $i;
	kill 'KILL', $pid;
	is($session->wait, 0, "kill $i: the scan goes on and is right");
	is($session->{sqlstate}, '00000', 'without an error');
	my $started = time;
	is($strict->ask("SELECT cardinality(lepton_embed('a', 'tiny')) > 0"), 't', 'gpu waits for the next program');
	cmp_ok(time - $started, '<', 2, 'not for long');
}
isnt(wait_ready(), $first, 'another program serves');
is(count_log(qr/LOG:  lepton lost the GPU/, $from), 3, 'one line for each outage');

# A program that does not answer: waiting can be ended.
my $pid = wait_ready();
kill 'STOP', $pid;
for my $how (qw(timeout cancel))
{
	my $started = time;
	$session->ask("SET statement_timeout = '300ms'") if $how eq 'timeout';
	$session->send($far);
	if ($how eq 'cancel') { sleep 0.3; sql("SELECT pg_cancel_backend($session->{pid})"); }
	$session->wait;
	is($session->{sqlstate}, '57014', "$how ends a statement that waits for the GPU");
	cmp_ok(time - $started, '<', 1.5, 'soon');
	$session->ask('RESET statement_timeout');
}
is($session->ask("SET lepton.device = cpu; SELECT cardinality(lepton_embed('a', 'tiny')) > 0; RESET lepton.device"), 't', 'the CPU is there meanwhile');
my $victim = Lepton::Session->new($node);
$victim->send($far);
sleep 0.3;
sql("SELECT pg_terminate_backend($victim->{pid})");
$victim->wait;
is($victim->{sqlstate}, undef, 'a backend that waits can be terminated');
$victim->close;
kill 'CONT', $pid;
is($session->ask("$gpu $far"), 0, 'then everything goes on');
ok(soon(sub { sql('SELECT queued, connections <= 3 FROM lepton_gpu') eq '0|t' }), 'nothing is left of those who went away');
$session->ask('RESET lepton.device');

# Models come and go under one name; databases have their own.
sql(q{SELECT lepton_load_model('name', '}. $data . q{/tiny')});
my $one = sql("$gpu SELECT (lepton_embed('a', 'name'))[1]");
sql("SELECT lepton_rename_model('name', 'other')");
is(sql("$gpu SELECT (lepton_embed('a', 'other'))[1]"), $one, 'a renamed model answers');
is($strict->ask("SELECT (lepton_embed('a', 'other'))[1]"), $one, 'in an old session too');
$node->safe_psql('postgres', 'CREATE DATABASE second');
load_tiny($node, 'second');
is($node->safe_psql('second', "$gpu SELECT (lepton_embed('a', 'tiny'))[1]"), sql("$gpu SELECT (lepton_embed('a', 'tiny'))[1]"), 'a second database has the same model');
$session->send("BEGIN; DECLARE c CURSOR FOR SELECT e, lepton_embed(body, 'other') AS g FROM expected; FETCH 1 FROM c");
$session->wait;
sql("SELECT lepton_drop_model('other')");
unlink glob($node->data_dir . '/base/*/pgsql_tmp_lepton.*gpu*');
$session->ask('MOVE ALL IN c');
is($session->{sqlstate}, '00000', 'a model that was dropped answers to the end of the statement');
$session->ask('COMMIT');
is(sql("$gpu $far"), 0, 'an image that was removed is made again');
$node->safe_psql('postgres', 'DROP DATABASE second');
is(sql("$gpu $far"), 0, 'a database that was dropped takes nothing along');

# Memory: what does not fit runs on the CPU, with one line.
sql("SELECT lepton_load_model('minilm', '$minilm')");
$from = -s $node->logfile;
sql("ALTER SYSTEM SET lepton.gpu_memory = '8MB'");
$node->reload;
ok(soon(sub { (sql('SELECT memory_limit FROM lepton_gpu') || 0) == 8 * 1024 * 1024 }), 'lepton.gpu_memory takes effect');
is(sql("SELECT count(lepton_embed(body, 'minilm')) FROM (SELECT body FROM mail LIMIT 5) m") . sql("SELECT cardinality(lepton_embed('a', 'minilm'))"), '5384',
	'a model that does not fit runs on the CPU');
is(count_log(qr/LOG:  model "minilm" runs on the CPU/, $from), 1, 'one line says so');
my ($code, $out, $err) = $node->psql('postgres', "$gpu SELECT lepton_embed('a', 'minilm')");
like($err, qr/model "minilm" cannot run on the GPU.*lepton\.gpu_memory/s, 'gpu raises');
is(sql("$gpu $far"), 0, 'smaller models go on');
sql('ALTER SYSTEM RESET lepton.gpu_memory');
$node->reload;
ok(soon(sub { (sql("SELECT state, memory_limit IS NULL OR memory_limit > 100000000 FROM lepton_gpu")) eq 'ready|t' }), 'and takes effect again');
is(sql("$gpu SELECT cardinality(lepton_embed('a', 'minilm'))"), 384, 'then it fits');

# The server crashes; stops.
$pid = wait_ready();
$victim = Lepton::Session->new($node);
kill 'KILL', $victim->{pid};
$victim->close;
ok(soon(sub { !lives($pid) }), 'a crash of the server ends the program');
ok(soon(sub { wait_ready() }), 'then there is another one');
is(sql("$gpu $far"), 0, 'that serves');
$_->close for ($session, $strict);

# A standby has a program of its own.
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
ok(wait_ready($standby), 'a standby has a program');
is($standby->safe_psql('postgres', "$gpu $far"), 0, 'that serves');
$standby->stop;

for my $mode (qw(fast immediate))
{
	$pid = wait_ready();
	$node->stop($mode);
	ok(soon(sub { !lives($pid) }), "$mode: the program ends with the server");
	$node->start;
}

# The device fails again and again, or is full for a moment.
for my $failure ('lost:200', 'memory:200')
{
	$node->stop;
	$ENV{LEPTON_EMULATED_FAIL} = $failure;
	$node->start;
	wait_ready();
	$from = -s $node->logfile;
	my $wrong = grep { sql($far) ne '0' } 1 .. 10;
	is($wrong, 0, "$failure: every answer is right");
	next if $failure =~ /memory/;
	is(count_log(qr/LOG:  model "tiny" runs on the CPU/, $from), 0, 'the worker alone logs that a device was lost');
	cmp_ok(count_log(qr/LOG:  lepton lost the GPU: the GPU failed: the emulated/, $from), '>', 0, 'once for each time');
}
delete $ENV{LEPTON_EMULATED_FAIL};

# There is no device.
$node->stop;
$ENV{LEPTON_EMULATED_DEVICES} = 0;
$from = -s $node->logfile;
$node->start;
ok(soon(sub { sql('SELECT state FROM lepton_gpu') eq 'absent' }), 'without a device the GPU is absent');
is(sql($far), 0, 'the CPU answers');
is(count_log(qr/LOG:  lepton runs models on the CPU/, $from), 1, 'one line says so');
is(sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'lepton gpu'"), 0, 'no background worker is left');
($code, $out, $err) = $node->psql('postgres', "$gpu SELECT lepton_embed('a', 'tiny')");
like($err, qr/the GPU is not available.*It is absent: \w/s, 'gpu raises, and names the reason');
delete $ENV{LEPTON_EMULATED_DEVICES};
$node->stop;
done_testing();
