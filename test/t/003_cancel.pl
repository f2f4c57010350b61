# Cancels at random moments of every long operation: all sessions answer soon, go on, and nothing is left half done.
# LEPTON_CANCELS sets how many; prints the median, the 99th percentile and the largest latency.
use strict;
use warnings;
use lib $ENV{PERL5LIB} ? () : 't';
use Lepton;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $cancels = $ENV{LEPTON_CANCELS} // 60;
my $seed = $ENV{LEPTON_SEED} // int(time);
srand $seed;
note "seed $seed, $cancels cancels";

my $node = new_node('cancel');
load_tiny($node);
my $answer = answer($node);
$node->safe_psql(
	'postgres', qq{SELECT lepton_load_model('minilm', '$minilm');
	CREATE TABLE mail (id int, split text, label text, subject text, body text);
	COPY mail FROM '$ENV{LEPTON_EMAILS_CSV}' WITH (FORMAT csv, HEADER)});
my $oid = $node->safe_psql('postgres', 'SELECT oid FROM pg_database WHERE datname = current_database()');
my $dir = $node->data_dir . "/base/$oid";
my $want = $node->safe_psql('postgres', q{SELECT md5(lepton_embed('x', 'minilm')::text)});

# Name, statement, and the longest moment to cancel at, in seconds (found below).
my %statement = (
	load => "SELECT lepton_load_model('victim', '$minilm')",
	image => "SELECT lepton_embed('x', 'minilm')",
	rows => "SELECT sum((lepton_embed(body, 'minilm'))[1]) FROM mail",
	array => "SELECT (lepton_embed(array_agg(body), 'minilm'))[1][1] FROM mail",
	'long text' => "SELECT (lepton_embed(string_agg(body, ' '), 'minilm'))[1] FROM mail a, generate_series(1, 40)",
	tokenize => "SELECT cardinality(lepton_tokenize(repeat(string_agg(body, ' '), 20), 'minilm')) FROM mail",
	train => q{SELECT accuracy FROM lepton_train('victim', 'minilm', 'SELECT body, label FROM mail LIMIT 80')},
	fit => q{SELECT accuracy FROM lepton_train('victim', 'tiny', 'SELECT body, label FROM mail, generate_series(1, 5)')},
	quantize => q{SELECT count(*) FROM lepton_quantize('tiny', 'victim', sample => 'SELECT body FROM mail')},
	'compress long' => q{SELECT count(*) FROM lepton_quantize('minilm', 'victim', sample => 'SELECT body FROM mail')},
	compare => q{SELECT texts FROM lepton_compare('minilm', 'tiny', 'SELECT subject FROM mail')},
	neighbours => q{SELECT neighbours FROM lepton_compare('tiny', 'tiny', 'SELECT subject || i FROM mail, generate_series(1, 40) i')},
	verify => q{SELECT lepton_verify('minilm')});
my @names = sort keys %statement;

my $worker = Lepton::Session->new($node);
my $other = Lepton::Session->new($node);
my %duration;
for my $what (@names)
{
	unlink glob("$dir/pgsql_tmp_lepton*") if $what eq 'image';
	my $session = $what eq 'image' ? Lepton::Session->new($node) : $worker;
	my $started = time;
	$session->ask($statement{$what});
	is($session->{sqlstate}, '00000', "$what works: $session->{err}");
	$duration{$what} = time - $started;
	$duration{$what} = 3 if $duration{$what} > 3;
	$other->ask("SELECT lepton_drop_model('victim') FROM lepton_models WHERE name = 'victim'");
	$session->close if $what eq 'image';
}

my (@latency, %hit, %worst, @wrong);
for my $i (1 .. $cancels)
{
	my $what = $names[ $i % @names ];
	my $session = $worker;
	if ($what eq 'image')
	{
		unlink glob("$dir/pgsql_tmp_lepton*");
		$session = Lepton::Session->new($node);
	}
	$session->send($statement{$what});
	sleep rand($duration{$what});
	my $started = time;
	$other->send("SELECT pg_cancel_backend($session->{pid})");
	$session->wait;
	my $took = 1000 * (time - $started);
	$other->wait;
	my $state = $session->{sqlstate} // 'gone';
	if ($state eq '57014')
	{
		push @latency, $took;
		$hit{$what}++;
		$worst{$what} = $took if $took > ($worst{$what} // 0);
	}
	elsif ($state ne '00000') { push @wrong, "$what: $state $session->{err}"; }
	# A cancel that came too late may meet this statement instead.
	$session->ask('SELECT 1');
	my $now = $session->ask(q{SELECT md5(lepton_embed('x', 'minilm')::text)});
	push @wrong, "$what: afterwards the session answers $now $session->{err}" if $now ne $want;
	if ($state eq '57014' && $what =~ /load|train|fit|quantize|compress/)
	{
		my $there = $other->ask("SELECT count(*) FROM lepton_models WHERE name = 'victim'");
		push @wrong, "$what: the victim is there" if $there ne '0';
	}
	$other->ask("SELECT lepton_drop_model('victim') FROM lepton_models WHERE name = 'victim'");
	$session->close if $what eq 'image';
}
is(join("\n", @wrong), '', "$cancels cancels: every session goes on");
note sprintf('%-13s %3d cancelled while running, worst %.1f ms', $_, $hit{$_} // 0, $worst{$_} // 0) for @names;
note sprintf('cancel latency of %d statements: p50 %.1f ms, p99 %.1f ms, max %.1f ms',
	scalar(@latency), percentile(50, @latency), percentile(99, @latency), percentile(100, @latency));
cmp_ok(scalar(@latency), '>=', $cancels / 4, 'enough statements were running when they were cancelled');
cmp_ok(percentile(99, @latency), '<', 1000, 'p99 is below a second even on a busy machine');
is(answer($node), $answer, 'same answer at the end');
is($other->ask('SELECT count(*) FROM lepton_models'), '3', 'no half model at the end');

# A statement timeout is a cancel too.
$worker->ask("SET statement_timeout = '100ms'");
my $started = time;
$worker->ask($statement{array});
is($worker->{sqlstate}, '57014', 'statement_timeout stops a long call');
cmp_ok(time - $started, '<', 2, 'soon');
$worker->ask('RESET statement_timeout');
is($worker->ask(q{SELECT md5(lepton_embed('x', 'minilm')::text)}), $want, 'the session goes on');

# So is the end of the server.
$worker->send($statement{rows});
sleep 0.2;
$started = time;
$node->stop('fast');
cmp_ok(time - $started, '<', 10, 'a fast shutdown does not wait for a long call');
$_->close for $worker, $other;
done_testing();
