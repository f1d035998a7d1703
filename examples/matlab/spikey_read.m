% SPIKEY_READ  Recordings of a Spikey archive.
%
%   recordings = spikey_read(archive)
%       A structure array of the recordings: name, class of the samples, channels, frames, and rate in Hz (0: unknown).
%       A file that holds several recordings stands before them, as class 'bytes', which cannot be read.
%
%   [x, rate] = spikey_read(archive, recording)
%       The samples of one, frames by channels; `recording` is its name or its number in the list.
%
%   Build it once with BUILD_SPIKEY_READ.
%
%   Example:
%       recordings = spikey_read('session.spk');
%       [x, rate] = spikey_read('session.spk', recordings(1).name);
%       plot((0:size(x, 1) - 1) / rate, x)
