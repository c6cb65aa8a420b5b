package io.lychee.rerank.sql;

import io.lychee.rerank.config.ConfigException;
import java.util.Collection;
import java.util.concurrent.CompletableFuture;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.functions.AsyncPredictFunction;
import org.apache.flink.table.functions.FunctionContext;

/**
 * Reranks the candidate list of a row: one row in, a row for each candidate that is kept. Never blocks the task thread;
 * max-concurrent-operations of ML_PREDICT is the only back-pressure. A reranker that fails fails the task, and Flink
 * replays the lists in flight.
 */
public final class RerankPredictFunction extends AsyncPredictFunction {

    private static final long serialVersionUID = 1;

    private final ListReader reader;
    private final RowWriter writer;
    private final Reranker reranker;

    RerankPredictFunction(ListReader reader, RowWriter writer, Reranker reranker) {
        this.reader = reader;
        this.writer = writer;
        this.reranker = reranker;
    }

    @Override
    public void open(FunctionContext context) {
        try {
            reranker.open(context);
        } catch (ConfigException e) {
            // at the first start someone waits for the message; later, lists wait for a job that goes on
            String attempt = context.getMetricGroup().getAllVariables().get("<task_attempt_num>");
            ConfigException root = RerankModelProviderFactory.root(e);
            throw "0".equals(attempt) ? new SuppressRestartsException(root) : root;
        }
    }

    @Override
    public CompletableFuture<Collection<RowData>> asyncPredict(RowData row) {
        ListReader.Lists read = reader.read(row);
        return reranker.rerank(read.list()).thenApply(ranked -> writer.write(read, ranked));
    }

    @Override
    public void close() {
        reranker.close();
    }
}
