package io.lychee.rerank.wire;

import static io.lychee.rerank.wire.Fields.get;

import io.lychee.rerank.domain.CandidateStatus;
import io.lychee.rerank.domain.Latency;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.ModelInfo;
import io.lychee.rerank.domain.RankedCandidate;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.domain.Usage;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericRecord;

/** Maps {@link RerankedList} to {@code reranked_list.avsc} and back. */
public final class RerankedListCodec {

    private static final WireSchema TYPE = WireSchema.RERANKED_LIST;
    private static final Schema CANDIDATE = TYPE.schema("results").getElementType();

    private RerankedListCodec() {}

    /**
     * Decodes Avro or plain JSON. A status or reason of a later release becomes the schema's default, such a reason
     * null.
     *
     * @throws UnreadableException when {@code value} is no answer of a known schema
     */
    public static RerankedList decode(byte[] value) throws UnreadableException {
        GenericRecord record = TYPE.read(value);
        GenericRecord latency = get(record, "latency");
        GenericRecord usage = get(record, "usage");
        GenericRecord model = get(record, "model");
        return new RerankedList(
                get(record, "request_id"),
                Objects.requireNonNull(Fields.constant(ListStatus.class, record, "status")),
                Fields.constant(Reason.class, record, "reason"),
                get(record, "detail"),
                Instant.ofEpochMilli(get(record, "answered_at")),
                candidates(get(record, "results")),
                candidates(get(record, "left_out")),
                new Latency(
                        get(latency, "source"), get(latency, "encode"), get(latency, "queue"), get(latency, "score")),
                new Usage(
                        get(usage, "text_tokens"),
                        get(usage, "vision_tokens"),
                        get(usage, "prefix_tokens"),
                        get(usage, "cache_hits")),
                new ModelInfo(get(model, "name"), get(model, "fingerprint")),
                get(record, "attributes"),
                get(record, "shortened"));
    }

    public static GenericRecord toRecord(RerankedList list) {
        Latency latency = list.latency();
        Usage usage = list.usage();
        ModelInfo model = list.model();
        return Fields.record(
                TYPE.schema(),
                list.requestId(),
                list.status(),
                list.reason(),
                list.detail(),
                list.answeredAt().toEpochMilli(),
                list.results().stream().map(RerankedListCodec::toRecord).toList(),
                list.leftOut().stream().map(RerankedListCodec::toRecord).toList(),
                Fields.record(
                        TYPE.schema("latency"),
                        latency.total(),
                        latency.source(),
                        latency.encode(),
                        latency.queue(),
                        latency.score()),
                Fields.record(
                        TYPE.schema("usage"),
                        usage.textTokens(),
                        usage.visionTokens(),
                        usage.prefixTokens(),
                        usage.cacheHits()),
                Fields.record(TYPE.schema("model"), model.name(), model.fingerprint()),
                list.attributes(),
                list.shortened());
    }

    private static GenericRecord toRecord(RankedCandidate candidate) {
        return Fields.record(
                CANDIDATE,
                candidate.id(),
                candidate.rank(),
                candidate.retrievalRank(),
                candidate.retrievalScore(),
                candidate.score(),
                candidate.logit(),
                candidate.rankValue(),
                candidate.status(),
                candidate.reason(),
                candidate.detail(),
                candidate.truncated(),
                candidate.rules(),
                candidate.attributes(),
                candidate.relevance());
    }

    private static List<RankedCandidate> candidates(List<GenericRecord> records) {
        return records.stream()
                .map(record -> new RankedCandidate(
                        get(record, "id"),
                        get(record, "rank"),
                        get(record, "retrieval_rank"),
                        get(record, "retrieval_score"),
                        get(record, "score"),
                        get(record, "logit"),
                        get(record, "rank_value"),
                        Objects.requireNonNull(Fields.constant(CandidateStatus.class, record, "status")),
                        Fields.constant(Reason.class, record, "reason"),
                        get(record, "detail"),
                        get(record, "truncated"),
                        get(record, "rules"),
                        get(record, "attributes"),
                        get(record, "relevance")))
                .toList();
    }
}
