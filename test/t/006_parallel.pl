# Parallel query: workers give the answers of the leader, in forced and in chosen plans; many sessions at once.
use strict;
use warnings;
use lib $ENV{PERL5LIB} ? () : 't';
use Lepton;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('parallel');
load_tiny($node);
$node->safe_psql(
	'postgres', qq{CREATE TABLE mail (id int, split text, label text, subject text, body text);
	COPY mail FROM '$ENV{LEPTON_EMAILS_CSV}' WITH (FORMAT csv, HEADER); ANALYZE mail});
my $query = q{SELECT sum(hashtext(id || lepton_embed(subject, 'tiny')::text || lepton_classify(body, 'tiny_classify'))::bigint) FROM mail};
my $serial = 'SET max_parallel_workers_per_gather = 0;';
my $chosen = 'SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET max_parallel_workers_per_gather = 2;';
my $want = $node->safe_psql('postgres', "$serial $query");
like($node->safe_psql('postgres', "$chosen EXPLAIN (COSTS OFF) $query"), qr/Parallel Seq Scan/, 'the planner chooses a parallel scan');
is($node->safe_psql('postgres', "$chosen $query"), $want, 'workers give the same answers');
is($node->safe_psql('postgres', "SET force_parallel_mode = on; $query"), $want, 'so do forced ones');
is($node->safe_psql('postgres', qq{$chosen SELECT count(*) FROM (SELECT id, s.label, s.score FROM mail,
	lepton_classify_scores(subject, 'tiny_classify') s) x}), 600 * $node->safe_psql('postgres', q{SELECT cardinality(labels) FROM lepton_models WHERE name = 'tiny_classify'}),
	'scores in a lateral join');

# An error in a worker is the error of the query.
my ($status, $out, $err) = $node->psql('postgres', "$chosen SET lepton.truncate = off; SELECT sum((lepton_embed(repeat(body, 20), 'tiny'))[1]) FROM mail");
isnt($status, 0, 'an error in a worker reaches the client');
like($err, qr/ERROR/, 'as an error');

# Settings reach workers.
is($node->safe_psql('postgres', qq{$chosen SET lepton.embed_model = 'tiny'; SELECT md5(string_agg(id || lepton_embed(subject)::text, ';' ORDER BY id)) FROM mail}),
	$node->safe_psql('postgres', qq{$serial SELECT md5(string_agg(id || lepton_embed(subject, 'tiny')::text, ';' ORDER BY id)) FROM mail}),
	'the default model of the session holds in workers');

# Eight new sessions make the image of a model at the same moment.
unlink glob($node->data_dir . '/base/*/pgsql_tmp_lepton*');
my @sessions = map { Lepton::Session->new($node) } 1 .. 8;
$_->send(q{SELECT md5(lepton_embed('x', 'tiny')::text)}) for @sessions;
my %answers = map { $_->wait => 1 } @sessions;
is(scalar(keys %answers), 1, 'sessions that build an image at once agree');
is(scalar(grep { ($_->{sqlstate} // '') eq '00000' } @sessions), 8, 'and none fails');
is(scalar(images($node)), 1, 'and one image is there') or diag join ' ', images($node);
$_->close for @sessions;
$node->stop;
done_testing();
