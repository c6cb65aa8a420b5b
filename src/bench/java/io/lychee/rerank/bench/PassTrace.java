package io.lychee.rerank.bench;

import io.lychee.rerank.domain.ModelInfo;
import io.lychee.rerank.scoring.Pass;
import io.lychee.rerank.scoring.PassHandle;
import io.lychee.rerank.scoring.Scorer;
import java.util.ArrayList;
import java.util.List;

/** When each pass of a scorer began and ended. Thread-safe. */
final class PassTrace {

    /**
     * @param handed when the scorer had handed it to the device
     * @param nanos from when the device was free for it to its end
     */
    private record Entry(int tokens, long start, long handed, long end, long nanos) {}

    private final List<Entry> entries = new ArrayList<>();
    private long lastEnd;

    synchronized void clear() {
        entries.clear();
    }

    synchronized int size() {
        return entries.size();
    }

    private synchronized void add(int tokens, long start, long handed) {
        long end = System.nanoTime();
        entries.add(new Entry(tokens, start, handed, end, end - Math.max(start, lastEnd)));
        lastEnd = end;
    }

    /** Share of the time from the first start to the last end in which the device had a pass. */
    synchronized double busyShare() {
        if (entries.isEmpty()) {
            return 0;
        }
        long busy = entries.stream().mapToLong(Entry::nanos).sum();
        Entry first = entries.get(0);
        return (double) busy / (entries.get(entries.size() - 1).end - (first.end - first.nanos));
    }

    /** Milliseconds that it takes to hand a pass to the device, on average; where there is no other, to compute it. */
    synchronized double handMillis() {
        return entries.stream()
                        .mapToLong(entry -> entry.handed - entry.start)
                        .average()
                        .orElse(0)
                / 1e6;
    }

    /** Returns the slowest pass's time per token over the median's; without the last pass, which is not full. */
    synchronized double slowestOverMedian() {
        double[] perToken = entries.stream()
                .limit(Math.max(0, entries.size() - 1))
                .mapToDouble(entry -> (double) entry.nanos / entry.tokens)
                .sorted()
                .toArray();
        return perToken.length == 0 ? 0 : perToken[perToken.length - 1] / perToken[perToken.length / 2];
    }

    Scorer around(Scorer scorer) {
        return new Scorer() {
            @Override
            public PassHandle start(Pass pass) {
                long start = System.nanoTime();
                PassHandle handle = scorer.start(pass);
                long handed = System.nanoTime();
                if (!isAsynchronous()) {
                    add(pass.tokens(), start, handed);
                }
                return new PassHandle() {
                    @Override
                    public float[] await() {
                        float[] scores = handle.await();
                        if (isAsynchronous()) {
                            add(pass.tokens(), start, handed);
                        }
                        return scores;
                    }

                    @Override
                    public int[] imageHits() {
                        return handle.imageHits();
                    }
                };
            }

            @Override
            public boolean isAsynchronous() {
                return scorer.isAsynchronous();
            }

            @Override
            public int passTokens() {
                return scorer.passTokens();
            }

            @Override
            public ModelInfo model() {
                return scorer.model();
            }

            @Override
            public String device() {
                return scorer.device();
            }

            @Override
            public void close() {
                scorer.close();
            }
        };
    }
}
