function build_spikey_read(python)
% BUILD_SPIKEY_READ  Compile SPIKEY_READ, in MATLAB or Octave, with libspikey of the Python package.
%
%   build_spikey_read()             asks python3 where the package is (pip install spikey-cli)
%   build_spikey_read('/path/to/python')

if nargin < 1
    python = 'python3';
end
[status, said] = system([python ' -c "import spikey_cli; print(spikey_cli.get_include()); print(spikey_cli.get_library())"']);
if status ~= 0
    error('spikey:build', '%s has no spikey-cli: %s', python, said);
end
places = strsplit(strtrim(said), '\n');
library = fileparts(strtrim(places{2}));
folder = fileparts(mfilename('fullpath'));
options = {['-I' strtrim(places{1})], fullfile(folder, 'spikey_read.c'), ['-L' library], '-lspikey'};
rpath = ['-Wl,-rpath,' library];
if exist('OCTAVE_VERSION', 'builtin')
    mex(options{:}, rpath, '-o', fullfile(folder, 'spikey_read.mex'));
else
    mex(options{:}, ['LDFLAGS=$LDFLAGS ' rpath], '-outdir', folder);
end
clear spikey_read % which may be known as its help only
rehash
end
