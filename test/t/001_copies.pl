# Copies of a database give the same answers: dumps, templates, base backups, standbys; immediate shutdown.
use strict;
use warnings;
use lib $ENV{PERL5LIB} ? () : 't';
use Lepton;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('primary', allows_streaming => 1);
$node->safe_psql('postgres', 'CREATE DATABASE mail');
load_tiny($node, 'mail');
$node->safe_psql(
	'mail', q{
	SELECT * FROM lepton_train('head', 'tiny', $$SELECT 'text number ' || i || CASE WHEN i % 2 = 0 THEN ' invoice bill money' ELSE ' meet lunch noon' END,
		CASE WHEN i % 2 = 0 THEN 'bill' ELSE 'lunch' END FROM generate_series(1, 40) i$$);
	-- Compressed models: one beside its parent, one whose parent is gone, one with a head.
	SELECT count(*) FROM lepton_quantize('tiny', 'a_small', 'i8_asymmetric');
	SELECT count(*) FROM lepton_quantize('tiny_classify', 'kinds');
	SELECT lepton_rename_model('tiny_classify', 'parent'), lepton_rename_model('kinds', 'tiny_classify'), lepton_drop_model('parent');
	SELECT * FROM lepton_train('small_head', 'a_small', $$SELECT CASE WHEN i % 2 = 0 THEN 'invoice bill money ' ELSE 'meet lunch noon ' END || i,
		CASE WHEN i % 2 = 0 THEN 'bill' ELSE 'lunch' END FROM generate_series(1, 40) i$$);
	CREATE TABLE a_mail (id int PRIMARY KEY, body text,
		embedding real[] GENERATED ALWAYS AS (lepton_embed(body, 'tiny')) STORED,
		label text GENERATED ALWAYS AS (lepton_classify(body, 'head')) STORED);
	INSERT INTO a_mail (id, body) SELECT i, 'mail number ' || i FROM generate_series(1, 50) i;
	CREATE INDEX a_mail_label ON a_mail (lepton_classify(body, 'tiny_classify'));
	CREATE MATERIALIZED VIEW a_labels AS SELECT lepton_classify(body, 'head') AS label, count(*) FROM a_mail GROUP BY 1;
	CREATE TABLE a_inbox (id int, body text, tag text);
	CREATE TRIGGER a_tag BEFORE INSERT ON a_inbox FOR EACH ROW EXECUTE FUNCTION lepton_classify_trigger('tag', 'tiny_classify', 'body');
});

# Everything that depends on models, as one text.
my $state_query = q{SELECT md5(string_agg(r, ';' ORDER BY r)) FROM (
	SELECT id || ':' || embedding::text || label || lepton_classify(body, 'tiny_classify') || lepton_embed(body, 'a_small')::text || lepton_classify(body, 'small_head') FROM a_mail
	UNION ALL SELECT label || count FROM a_labels
	UNION ALL SELECT name || task || coalesce(parent, '') || coalesce(recipe, '') || "precision" || coalesce(labels::text, '') || "default" || lepton_verify(name::text) FROM lepton_models) t(r)};
my $state = $node->safe_psql('mail', $state_query);
my $answer = answer($node, 'mail');
like($answer, qr/^[0-9a-f]{32} \w/, 'the database answers');

# Check that a database is a copy of ours and works on.
sub is_copy
{
	my ($other, $db, $name) = @_;
	is(answer($other, $db), $answer, "$name: same answer");
	is($other->safe_psql($db, $state_query), $state, "$name: same rows and models");
	$other->safe_psql($db, "INSERT INTO a_inbox (id, body) VALUES (1, 'hello')");
	isnt($other->safe_psql($db, 'SELECT tag FROM a_inbox'), '', "$name: the trigger works");
	return;
}

# Dumps, each restored into an empty database.
my $dump = $node->backup_dir . '/dump';
mkdir $node->backup_dir;
$node->command_ok([ 'pg_dump', '-f', "$dump.sql", 'mail' ], 'plain dump');
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dump.custom", 'mail' ], 'custom dump');
$node->command_ok([ 'pg_dump', '-Fd', '-j2', '-f', "$dump.dir", 'mail' ], 'directory dump by two workers');

$node->safe_psql('postgres', 'CREATE DATABASE plain');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dump.sql", 'plain' ], 'plain restore');
is_copy($node, 'plain', 'plain');

$node->safe_psql('postgres', 'CREATE DATABASE custom');
$node->command_ok([ 'pg_restore', '-e', '-d', 'custom', "$dump.custom" ], 'custom restore');
is_copy($node, 'custom', 'custom');

# Several jobs load tables in any order, so the models come first.
$node->safe_psql('postgres', 'CREATE DATABASE jobs');
$node->command_ok([ 'pg_restore', '-e', '-d', 'jobs', '--section=pre-data', "$dump.dir" ], 'restore by jobs: definitions');
$node->command_ok([ 'pg_restore', '-e', '-d', 'jobs', '--data-only', '--schema=_lepton', "$dump.dir" ], 'restore by jobs: models');
$node->command_ok([ 'pg_restore', '-e', '-d', 'jobs', '--section=data', '--exclude-schema=_lepton', '-j2', "$dump.dir" ],
	'restore by jobs: data');
$node->command_ok([ 'pg_restore', '-e', '-d', 'jobs', '--section=post-data', '-j2', "$dump.dir" ], 'restore by jobs: indexes');
is_copy($node, 'jobs', 'jobs');

# A dump of the restored database is the same dump.
$node->command_ok([ 'pg_dump', '-f', "$dump.again", 'custom' ], 'dump of the restored database');
my ($first, $again) = map { my $text = slurp_file($_); $text =~ s/^\\(un)?restrict.*\n//mg; $text =~ s/^1\thello\t.*\n//mg; $text } "$dump.sql", "$dump.again";
is(length $again, length $first, 'dump, restore and dump give the same dump');

# Templates, both ways of copying files.
for my $strategy ('wal_log', 'file_copy')
{
	$node->safe_psql('postgres', "CREATE DATABASE $strategy TEMPLATE mail STRATEGY $strategy");
	is_copy($node, $strategy, "template by $strategy");
}
$node->safe_psql('postgres', 'DROP DATABASE file_copy');
pass('a database with images is dropped');

# A base backup leaves images out; the copy makes its own at first use.
answer($node, 'mail');
ok(scalar(images($node, 'mail')) > 0, 'the primary has images');
$node->backup('base');
my $oid = $node->safe_psql('mail', 'SELECT oid FROM pg_database WHERE datname = current_database()');
is(scalar(glob($node->backup_dir . "/base/base/$oid/pgsql_tmp_lepton*")) // '', '', 'the base backup has no images');

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is(answer($standby, 'mail'), $answer, 'standby: same answer');
is($standby->safe_psql('mail', $state_query), $state, 'standby: same rows and models');
ok(scalar(images($standby, 'mail')) > 0, 'standby: it made its own images');

# A model that arrives by replication.
$node->safe_psql('mail', "SELECT lepton_load_model('late', '$data/tiny')");
$node->wait_for_catchup($standby);
is($standby->safe_psql('mail', q{SELECT lepton_embed('x', 'late') = lepton_embed('x', 'tiny')}), 't', 'standby: a new model answers');
my ($status, $out, $err) = $standby->psql('mail', "SELECT lepton_load_model('never', '$data/tiny')");
like($err, qr/read-only|recovery/, 'standby: loading is refused');
$node->safe_psql('mail', "SELECT lepton_drop_model('late')");
$node->wait_for_catchup($standby);
($status, $out, $err) = $standby->psql('mail', "SELECT lepton_embed('x', 'late')");
like($err, qr/"late" does not exist/, 'standby: a dropped model is gone');

$standby->promote;
$standby->poll_query_until('mail', 'SELECT NOT pg_is_in_recovery()');
is_copy($standby, 'mail', 'promoted standby');

# An immediate shutdown loses nothing.
$node->stop('immediate');
$node->start;
is_copy($node, 'mail', 'after an immediate shutdown');
$node->safe_psql('mail', "SELECT lepton_load_model('late', '$data/tiny')");
$node->stop('immediate');
$node->start;
is($node->safe_psql('mail', q{SELECT lepton_verify('late')}), 't', 'a committed load survives an immediate shutdown');

# Images of another kernel layout, damaged or truncated ones are made anew.
my @files = map { $node->data_dir . "/base/$oid/$_" } images($node, 'mail');
$node->stop;
truncate($files[0], 5000);
$node->start;
is(answer($node, 'mail'), $answer, 'a truncated image is made anew');
$node->stop;
unlink @files;
$node->start;
is(answer($node, 'mail'), $answer, 'a missing image is made anew');

$standby->stop;
$node->stop;
done_testing();
