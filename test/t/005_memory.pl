# Fifty sessions with one model: the weights are in memory once, and each session adds little of its own.
# A compressed model takes a quarter. Prints the figures; asserts loose bounds (bench/first_answer.py measures).
use strict;
use warnings;
use lib $ENV{PERL5LIB} ? () : 't';
use Lepton;
use PostgreSQL::Test::Utils;
use Test::More;

my $sessions = 50;
my $node = new_node('memory');
$node->append_conf('postgresql.conf', "max_connections = 80\n");
$node->restart;
$node->safe_psql('postgres', "CREATE EXTENSION lepton; SELECT lepton_load_model('minilm', '$minilm')");
$node->safe_psql('postgres', q{SELECT lepton_embed('x', 'minilm')});

# Kilobytes of one field in a process' memory map, all mappings together.
sub kilobytes
{
	my ($pid, $field) = @_;
	my $text = eval { slurp_file("/proc/$pid/smaps_rollup") } // return;
	my ($sum) = $text =~ /^$field:\s+(\d+) kB/m;
	return $sum;
}

my $plain = Lepton::Session->new($node);
$plain->ask('SELECT count(*) FROM pg_class');
my $baseline = kilobytes($plain->{pid}, 'Anonymous');
if (!defined $baseline)
{
	$plain->close;
	$node->stop;
	plan skip_all => 'memory maps cannot be read here';
}

my @all = map { Lepton::Session->new($node) } 1 .. $sessions;
$_->send(q{SELECT md5(lepton_embed(repeat('the invoice is overdue ', 100), 'minilm')::text)}) for @all;
my %answers = map { $_->wait => 1 } @all;
is(scalar(keys %answers), 1, "$sessions sessions give one answer");

my @own = map { kilobytes($_->{pid}, 'Anonymous') - $baseline } @all;
my $pss = 0;
$pss += kilobytes($_->{pid}, 'Pss') for @all;
my $image = -s (glob($node->data_dir . '/base/*/pgsql_tmp_lepton*'))[0];
note sprintf('image %.1f MB; %d sessions: own memory beyond a plain one p50 %.2f MB, max %.2f MB; Pss of all %.1f MB',
	$image / 1048576, $sessions, percentile(50, @own) / 1024, percentile(100, @own) / 1024, $pss / 1024);
cmp_ok(percentile(100, @own), '<', 12 * 1024, 'a session adds less than 12 MB');
cmp_ok($pss * 1024, '<', 1.1 * $image + $sessions * 16 * 1048576, 'the weights are in memory once');

# Many calls do not add up.
my $one = $all[0];
$one->ask(q{SELECT sum((lepton_embed('text number ' || i, 'minilm'))[1]) FROM generate_series(1, 50) i});
my $before = kilobytes($one->{pid}, 'Anonymous');
$one->ask(q{SELECT sum((lepton_embed('text number ' || i, 'minilm'))[1]) FROM generate_series(1, 300) i});
$one->ask(q{DO $$ BEGIN FOR i IN 1..200 LOOP BEGIN PERFORM lepton_embed('x', 'none'); EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; END $$});
cmp_ok(kilobytes($one->{pid}, 'Anonymous') - $before, '<', 2048, 'calls and errors leave no memory behind');
$_->close for @all, $plain;

# A compressed model is a quarter, on disk, in the image and in memory.
$node->safe_psql('postgres', q{SELECT count(*) FROM lepton_quantize('minilm', 'small', 'i8_asymmetric',
	sample => 'SELECT ''text number '' || i FROM generate_series(1, 40) i')});
$node->safe_psql('postgres', q{SELECT lepton_embed('x', 'small')});
my $session = Lepton::Session->new($node);
$session->ask(q{SELECT md5(lepton_embed(repeat('the invoice is overdue ', 100), 'small')::text)});
my $own = kilobytes($session->{pid}, 'Anonymous') - $baseline;
$session->close;
my ($small) = sort { $a <=> $b } map { -s $_ } grep { !/stats$/ } glob($node->data_dir . '/base/*/pgsql_tmp_lepton*');
my $bytes = $node->safe_psql('postgres', q{SELECT bytes FROM lepton_models WHERE name = 'small'});
note sprintf('compressed: files %.1f MB, image %.1f MB, own memory of a session %.2f MB', $bytes / 1e6, $small / 1e6, $own / 1024);
cmp_ok($bytes, '<', 24e6, 'the files of a compressed model are a quarter');
cmp_ok($small, '<', 25e6, 'its image is a quarter');
cmp_ok($own, '<', 8 * 1024, 'a session adds less than 8 MB');
$node->stop;
done_testing();
