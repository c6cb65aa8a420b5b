package io.lychee.rerank.scoring;

import io.lychee.rerank.domain.Lane;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.PriorityQueue;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Orders encoding by urgency, within bounds on bytes ({@code encode.max-bytes}) and fetches
 * ({@code fetch.max-connections}), of either of which backfill gets half. Called under the engine's lock.
 */
final class EncodeQueue {

    /** A job whose image bytes are here. */
    record Fetched(EncodeTask job, List<byte[]> images) {

        private long bytes() {
            return images.stream().mapToLong(image -> image.length).sum();
        }
    }

    private final EngineSettings settings;
    /** Lists with jobs that need no fetch, so that a slow host doesn't hold them up, and with jobs that do. */
    private final TreeSet<ListInFlight> local = new TreeSet<>(ListInFlight.URGENCY);

    private final TreeSet<ListInFlight> remote = new TreeSet<>(ListInFlight.URGENCY);
    private final PriorityQueue<Fetched> fetched =
            new PriorityQueue<>((a, b) -> EncodeTask.URGENCY.compare(a.job(), b.job()));
    /** Image bytes of jobs fetched and not yet encoded. */
    private final Map<EncodeTask, Long> held = new HashMap<>();

    private long heldBytes;
    private long reservedBytes;
    private long encodedBytes;
    private long prefixBytes;
    /** Images by reference of jobs taken and not yet being encoded. */
    private int fetching;

    private int fetchingBackfill;

    EncodeQueue(EngineSettings settings) {
        this.settings = settings;
    }

    void add(EncodeTask job) {
        ListInFlight owner = job.owner();
        if (job.references() == 0) {
            owner.local.add(job);
            local.add(owner);
        } else {
            owner.remote.add(job);
            remote.add(owner);
        }
    }

    /** Takes out what nobody waits for; jobs under way give their bytes back when they end. */
    void remove(ListInFlight owner) {
        local.remove(owner);
        remote.remove(owner);
        owner.local.clear();
        owner.remote.clear();
        fetched.removeIf(work -> {
            if (work.job().owner() != owner) {
                return false;
            }
            countFetching(work.job(), -1);
            release(work.job());
            return true;
        });
    }

    boolean hasJob() {
        return nextJob() != null;
    }

    boolean hasWork() {
        return !fetched.isEmpty() || hasJob();
    }

    /** The most urgent job that may be taken, to be fetched; only after {@link #hasJob()} said yes. */
    EncodeTask takeJob() {
        EncodeTask job = Objects.requireNonNull(nextJob());
        ListInFlight owner = job.owner();
        boolean here = job.equals(owner.local.peek());
        (here ? owner.local : owner.remote).remove();
        if ((here ? owner.local : owner.remote).isEmpty()) {
            (here ? local : remote).remove(owner);
        }
        countFetching(job, 1);
        reservedBytes += estimate(job);
        if (job.isPrefix()) {
            // not earlier: candidates could fill the bound, and without their prefix never leave it
            for (int i = 0; i < owner.outcomes.length; i++) {
                if (!owner.outcomes[i].settled()) {
                    add(new EncodeTask(owner, i));
                }
            }
        }
        return job;
    }

    private @Nullable EncodeTask nextJob() {
        EncodeTask here = local.isEmpty() ? null : local.first().local.peek();
        EncodeTask there = remote.isEmpty() ? null : remote.first().remote.peek();
        Fetched ready = fetched.peek();
        if (here != null && (!mayEncode(here) || (ready != null && isBefore(ready.job(), here)))) {
            here = null; // or all of them would be taken at once, past the bound
        }
        if (there != null && !mayFetch(there)) {
            if (here != null && isBefore(there, here) && lacksBytes(there, 0)) {
                here = null; // or what is smaller and less urgent would keep it out for ever
            }
            there = null;
        }
        return here == null || (there != null && isBefore(there, here)) ? there : here;
    }

    private static boolean isBefore(EncodeTask a, EncodeTask b) {
        return EncodeTask.URGENCY.compare(a, b) < 0;
    }

    private boolean mayEncode(EncodeTask job) {
        return bytes() < bound(job) || bytes() == prefixBytes;
    }

    private boolean mayFetch(EncodeTask job) {
        int images = job.references();
        return fits(images, fetching, settings.fetches())
                && (!isBackfill(job) || fits(images, fetchingBackfill, Math.max(1, settings.fetches() / 2)))
                && !lacksBytes(job, reservedBytes);
    }

    /** A job that is larger than the bound runs alone. */
    private static boolean fits(int images, int underWay, int most) {
        return underWay == 0 || underWay + images <= most;
    }

    /**
     * What is encoded goes away by itself, except prefixes: they go with their candidates, which have to come in for
     * it. So a job that is larger than the bound runs beside prefixes only.
     */
    private boolean lacksBytes(EncodeTask job, long reserved) {
        long used = bytes() + reserved;
        return used + estimate(job) > bound(job) && used != prefixBytes;
    }

    private long bound(EncodeTask job) {
        return isBackfill(job) ? settings.encodeBytes() / 2 : settings.encodeBytes();
    }

    private long estimate(EncodeTask job) {
        return (long) job.references() * settings.imageBytes();
    }

    private static boolean isBackfill(EncodeTask job) {
        return job.owner().lane() == Lane.BACKFILL;
    }

    private void countFetching(EncodeTask job, int sign) {
        int images = sign * job.references();
        fetching += images;
        fetchingBackfill += isBackfill(job) ? images : 0;
    }

    void fetched(EncodeTask job, List<byte[]> images) {
        reservedBytes -= estimate(job);
        if (job.owner().answered) {
            countFetching(job, -1);
            return;
        }
        Fetched work = new Fetched(job, images);
        held.put(job, work.bytes());
        heldBytes += work.bytes();
        fetched.add(work);
    }

    void fetchFailed(EncodeTask job) {
        reservedBytes -= estimate(job);
        countFetching(job, -1);
    }

    /** The most urgent work that can be encoded, or null. */
    @Nullable
    Fetched takeFetched() {
        Fetched work = fetched.poll();
        if (work != null) {
            countFetching(work.job(), -1);
        }
        return work;
    }

    /** The job's image bytes are needed no longer. */
    void release(EncodeTask job) {
        Long bytes = held.remove(job);
        heldBytes -= bytes == null ? 0 : bytes;
    }

    /** Encoded work that waits for the device came in, or went away. */
    void count(long bytes) {
        encodedBytes += bytes;
    }

    /** The same for a prefix. */
    void countPrefix(long bytes) {
        encodedBytes += bytes;
        prefixBytes += bytes;
    }

    /** Bytes of images to be encoded, and of encoded work that waits for the device. */
    long bytes() {
        return heldBytes + encodedBytes;
    }

    /** Bytes that fetches under way may bring. */
    long reservedBytes() {
        return reservedBytes;
    }

    void clear() {
        local.clear();
        remote.clear();
        fetched.clear();
        held.clear();
        heldBytes = 0;
        encodedBytes = 0;
        prefixBytes = 0;
    }
}
