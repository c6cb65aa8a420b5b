package io.lychee.rerank.sql;

import io.lychee.rerank.config.SqlConfig;
import io.lychee.rerank.domain.CandidateList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.apache.flink.table.functions.FunctionContext;

final class GatewayReranker implements Reranker {
    GatewayReranker(SqlConfig config) {}

    @Override
    public void open(FunctionContext context) {}

    @Override
    public CompletableFuture<List<Ranked>> rerank(CandidateList list) {
        throw new IllegalStateException();
    }

    @Override
    public void close() {}
}
