# Lepton.pm: what the tests of whole servers share: clusters with models, interactive sessions, images on disk.
package Lepton;

use strict;
use warnings;
use Exporter 'import';
use File::Basename;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(time sleep);

our @EXPORT = qw($data $minilm new_node load_tiny answer images backend_of median percentile);

our $data = $ENV{LEPTON_DATA};
our $minilm = $ENV{LEPTON_MINILM};

# The query whose answer every copy of a database must repeat to the last bit: same machine, same kernels.
my $question = q{SELECT md5(lepton_embed('the invoice is overdue', 'tiny')::text) || ' ' ||
	lepton_classify('the invoice is overdue', 'tiny_classify')};

# Make and start a cluster; options are those of PostgreSQL::Test::Cluster's init.
sub new_node
{
	my ($name, %options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(extra => [ '--encoding=UTF8', '--locale=C' ], %options);
	$node->append_conf('postgresql.conf', "shared_buffers = 32MB\nmax_wal_size = 2GB\nautovacuum = off\n");
	$node->start;
	return $node;
}

# Create the extension in a database and load the two small models.
sub load_tiny
{
	my ($node, $db) = @_;
	$db //= 'postgres';
	$node->safe_psql($db, qq{CREATE EXTENSION IF NOT EXISTS lepton;
		SELECT lepton_load_model('tiny', '$data/tiny');
		SELECT lepton_load_model('tiny_classify', '$data/tiny_classify');});
	return;
}

# The answer of a database.
sub answer
{
	my ($node, $db) = @_;
	return $node->safe_psql($db // 'postgres', $question);
}

# Names of images in the directory of a database, finished or not.
sub images
{
	my ($node, $db) = @_;
	my $oid = $node->safe_psql($db // 'postgres', 'SELECT oid FROM pg_database WHERE datname = current_database()');
	my @files = grep { $_ ne 'pgsql_tmp_lepton.stats' } map { basename($_) } glob($node->data_dir . "/base/$oid/pgsql_tmp_lepton*");
	@files = sort @files;
	return @files;
}

# The n-th percentile of numbers.
sub percentile
{
	my ($n, @numbers) = @_;
	@numbers = sort { $a <=> $b } @numbers;
	return 0 unless @numbers;
	my $i = int($n / 100 * @numbers);
	$i = $#numbers if $i > $#numbers;
	return $numbers[$i];
}

package Lepton::Session;

# A psql that stays open.
sub new
{
	my ($class, $node, $db, @extra) = @_;
	my $self = bless { in => '', out => '', err => '', n => 0 }, $class;
	$self->{harness} = IPC::Run::start(
		[ 'psql', '-X', '-A', '-t', '-q', '-d', $node->connstr($db // 'postgres'), @extra ],
		'<', \$self->{in}, '>', \$self->{out}, '2>', \$self->{err}, IPC::Run::timeout(600));
	$self->ask('SELECT 1');
	$self->{pid} = $self->ask('SELECT pg_backend_pid()');
	return $self;
}

# Send a statement without waiting.
sub send
{
	my ($self, $sql) = @_;
	my $n = ++$self->{n};
	$self->{out} = '';
	$self->{err} = '';
	$self->{in} .= "$sql;\n\\echo <$n :SQLSTATE>\n";
	$self->{harness}->pump_nb;
	return;
}

# Wait for the statement sent last; its output.  sqlstate tells how it ended, undef when the connection went away.
sub wait
{
	my ($self) = @_;
	my $n = $self->{n};
	until ($self->{out} =~ /<$n (\w*)>/)
	{
		eval { $self->{harness}->pump; 1 } or last;
		last unless $self->{harness}->pumpable || $self->{out} =~ /<$n /;
	}
	$self->{sqlstate} = $self->{out} =~ /<$n (\w*)>/ ? $1 : undef;
	(my $out = $self->{out}) =~ s/<$n \w*>\n?//;
	chomp $out;
	return $out;
}

# Send and wait.
sub ask
{
	my ($self, $sql) = @_;
	$self->send($sql);
	return $self->wait;
}

# End the session, whatever state it is in.
sub close
{
	my ($self) = @_;
	$self->{in} .= "\\q\n";
	eval { $self->{harness}->finish; };
	eval { $self->{harness}->kill_kill; };
	return;
}

1;
