# A disk that is full: a load fails cleanly, a first use answers from a private copy, and both recover when there is room.
use strict;
use warnings;
use lib $ENV{PERL5LIB} ? () : 't';
use Lepton;
use PostgreSQL::Test::Utils;
use Test::More;

my @disks = split ' ', $ENV{LEPTON_SMALL_DISKS} // '';
plan skip_all => 'small disks can be mounted by root only' unless @disks == 2;

my $node = new_node('disk');
load_tiny($node);
my $answer = answer($node);
$node->safe_psql('postgres', "SELECT lepton_load_model('minilm', '$minilm')");
my $embed = q{SELECT md5(lepton_embed('the invoice is overdue', 'minilm')::text)};
my $want = $node->safe_psql('postgres', $embed);

# A database on a disk of 100 MB, where a model of 90 MB does not fit beside the catalog's 8 MB twice.
my ($small, $medium) = @disks;
for my $n (0, 1)
{
	mkdir "$disks[$n]/space";
	$node->safe_psql('postgres', "CREATE TABLESPACE small$n LOCATION '$disks[$n]/space'");
	$node->safe_psql('postgres', "CREATE DATABASE small$n TABLESPACE small$n");
	load_tiny($node, "small$n");
	is(answer($node, "small$n"), $answer, "disk $n: small models work");
}

sub fill { my ($file, $mb) = @_; open(my $f, '>', $file) or die; for (1 .. $mb) { print $f 'x' x (1 << 20) or last; } close $f; return; }

# A load that does not fit.
fill("$small/ballast", 40);
my ($status, $out, $err) = $node->psql('small0', "\\set VERBOSITY verbose\nSELECT lepton_load_model('minilm', '$minilm')");
isnt($status, 0, 'a load on a full disk fails') or $status = 0;
like($err, qr/53100/, 'with the error for a full disk');
is($node->safe_psql('small0', 'SELECT count(*) FROM lepton_models'), '2', 'the catalog is unchanged');
is($node->safe_psql('small0', 'SELECT count(*) FROM _lepton.lepton_model_chunk c WHERE NOT EXISTS (SELECT FROM _lepton.lepton_model m WHERE m.id = c.model)'),
	'0', 'no chunk is left');
is(answer($node, 'small0'), $answer, 'the other models go on');
unlink "$small/ballast";

# An image that does not fit: the catalog has the model, the disk has no room for the second form of it.
my $db = 'small1';
$node->safe_psql($db, "SELECT lepton_load_model('minilm', '$minilm')");
fill("$medium/ballast", 300);
($status, $out, $err) = $node->psql($db, $embed);
is($status, 0, 'a first use on a full disk works') or diag $err;
is($out, $want, 'with the same answer');
like($err, qr/NOTICE|WARNING/, 'and says so');
unlink "$medium/ballast";
is($node->safe_psql($db, $embed), $want, 'same answer when there is room again');
my $oid = $node->safe_psql($db, 'SELECT oid FROM pg_database WHERE datname = current_database()');
my @files = grep { !/stats$/ } glob("$medium/space/*/$oid/pgsql_tmp_lepton*");
cmp_ok(scalar(@files), '<=', 3, 'nothing is left of the image that did not fit: ' . join(' ', map { s,.*/,,r } @files));

$node->safe_psql('postgres', "DROP DATABASE $_") for 'small0', 'small1';
is(join(' ', glob("$small/space/*/* $medium/space/*/*")) =~ /pgsql_tmp_lepton/ ? 'left' : '', '', 'dropping a database drops its images');
$node->stop;
done_testing();
