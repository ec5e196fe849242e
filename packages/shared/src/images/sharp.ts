// sharp as this service uses it. Its cache of operations is off: it keeps the decoder of each progressive JPEG with all
// its pixels, up to 100 of them, which sharp's own limit of 50 MB does not see (measured with sharp 0.35.5: eight images
// of 8192 x 6144, one after another, took 2.8 GB, and 0.5 GB without the cache).
import sharp from 'sharp';

sharp.cache(false);

export { sharp };
