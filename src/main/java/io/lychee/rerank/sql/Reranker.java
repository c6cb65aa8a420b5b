package io.lychee.rerank.sql;

import io.lychee.rerank.domain.CandidateList;
import java.io.Serializable;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.apache.flink.table.functions.FunctionContext;
import org.jspecify.annotations.Nullable;

/** Reranks lists between open and close; serialized to the task managers before. */
interface Reranker extends Serializable, AutoCloseable {

    /**
     * What became of one candidate.
     *
     * @param position 0-based, in the list that came in
     * @param rank 1-based; null where it is rejected
     * @param reason why it has no score; null with a score
     */
    record Ranked(
            int position,
            @Nullable Integer rank,
            @Nullable Double score,
            @Nullable String reason) {}

    /** @throws io.lychee.rerank.config.ConfigException when a setting does not suit this task manager */
    void open(FunctionContext context);

    /**
     * Returns the kept candidates in their new order, then the rejected ones; at the latest at the list's deadline.
     * Never blocks; completes on any thread.
     */
    CompletableFuture<List<Ranked>> rerank(CandidateList list);

    @Override
    void close();
}
