package io.lychee.rerank.sql;

import io.lychee.rerank.config.SqlConfig;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.CandidateStatus;
import io.lychee.rerank.domain.Lane;
import io.lychee.rerank.domain.RankedCandidate;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.engine.QwenEngineFactory;
import io.lychee.rerank.ranking.Ranking;
import io.lychee.rerank.ranking.Rules;
import io.lychee.rerank.scoring.Arrival;
import io.lychee.rerank.scoring.EngineRegistry;
import io.lychee.rerank.task.Gpus;
import io.lychee.rerank.task.ListMetrics;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.apache.flink.table.functions.FunctionContext;
import org.jspecify.annotations.Nullable;

/** Scores with the engines of this task manager, which jobs and other models share. */
final class EngineReranker implements Reranker {

    private static final long serialVersionUID = 1;

    private final SqlConfig config;
    private final Lane lane;
    private final Rules rules;

    private transient volatile @Nullable Opened opened; // null again once closed: engine threads read it

    private record Opened(EngineRegistry.Lease lease, ListMetrics metrics) {}

    EngineReranker(SqlConfig config) {
        this.config = config;
        this.lane = Lane.valueOf(config.lane().name());
        this.rules = Rules.parse(config.rerank().rules());
    }

    @Override
    public void open(FunctionContext context) {
        var gpus = Gpus.numbers(context.getExternalResourceInfos(Gpus.RESOURCE));
        EngineRegistry.Lease lease = new QwenEngineFactory(config.rerank()).lease(gpus);
        opened = new Opened(lease, new ListMetrics(context.getMetricGroup(), lane, lease.engines()));
    }

    @Override
    public CompletableFuture<List<Ranked>> rerank(CandidateList list) {
        Opened o = opened;
        if (o == null) {
            throw new IllegalStateException("rerank before open");
        }
        long now = System.currentTimeMillis();
        CompletableFuture<List<Ranked>> answer = new CompletableFuture<>();
        var unused = o.lease
                .submit(list, new Arrival(lane, now, now, config.timeout().toMillis()))
                .thenApply(scored -> {
                    RerankedList reranked = Ranking.rank(list, scored, rules);
                    o.metrics.answered(reranked);
                    return rows(reranked);
                })
                .whenComplete((rows, error) -> {
                    if (error == null) {
                        answer.complete(rows);
                    } else if (opened != null) {
                        answer.completeExceptionally(error);
                    } // else the task has ended, and the list is in the checkpoint
                });
        return answer;
    }

    private static List<Ranked> rows(RerankedList reranked) {
        Stream<RankedCandidate> rejected =
                reranked.leftOut().stream().filter(candidate -> candidate.status() == CandidateStatus.REJECTED);
        return Stream.concat(reranked.results().stream(), rejected)
                .map(candidate -> new Ranked(
                        candidate.retrievalRank() - 1,
                        candidate.rank(),
                        candidate.score(),
                        candidate.reason() == null ? null : candidate.reason().name()))
                .toList();
    }

    @Override
    public void close() {
        Opened closing = opened;
        opened = null;
        if (closing != null) {
            closing.lease.close();
        }
    }
}
