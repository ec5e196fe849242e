// A port for a server that can't be asked which one it took.
export { findQuietPort } from '@darkroom/dev/free-port.ts';
