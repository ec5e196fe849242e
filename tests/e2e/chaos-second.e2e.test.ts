// Seeds that ever failed are run here for good, every other one; two files, so that they are run side by side.
import { FAILED_ONCE } from '../chaos/seeds.ts';
import { testSeeds } from '../support/chaos-seeds.ts';

testSeeds(FAILED_ONCE.filter((_, at) => at % 2 === 1));
