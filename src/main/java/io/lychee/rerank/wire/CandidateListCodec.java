package io.lychee.rerank.wire;

import io.lychee.rerank.config.RerankOptions.OutputFormat;
import io.lychee.rerank.domain.Candidate;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.domain.Content;
import io.lychee.rerank.domain.Image;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.jspecify.annotations.Nullable;

/** {@code candidate_list.avsc} to {@link CandidateList} and back. */
public final class CandidateListCodec {

    private static final Schema LIST = WireSchema.CANDIDATE_LIST.schema();
    private static final Schema QUERY = WireSchema.CANDIDATE_LIST.schema("query");
    private static final Schema CANDIDATE =
            WireSchema.CANDIDATE_LIST.schema("candidates").getElementType();

    private CandidateListCodec() {}

    public static byte[] encode(CandidateList list, OutputFormat format) {
        return SizeBudget.encode(WireSchema.CANDIDATE_LIST, toRecord(list), format);
    }

    /** @throws IllegalArgumentException when a field is out of its range */
    public static CandidateList fromRecord(GenericRecord record) {
        List<Candidate> candidates = new ArrayList<>();
        for (GenericRecord candidate : Fields.records(record, "candidates")) {
            candidates.add(new Candidate(
                    Fields.text(candidate, "id"),
                    content(candidate),
                    finite((Double) candidate.get("retrieval_score")),
                    Fields.map(candidate, "attributes"),
                    (Integer) candidate.get("relevance")));
        }
        return new CandidateList(
                Fields.text(record, "request_id"),
                Fields.optionalText(record, "instruction"),
                Fields.map(record, "attributes"),
                content((GenericRecord) record.get("query")),
                candidates,
                (Integer) record.get("top_n"),
                (Long) record.get("timeout_ms"));
    }

    public static GenericRecord toRecord(CandidateList list) {
        GenericRecord query = new GenericData.Record(QUERY);
        putContent(query, list.query());
        List<GenericRecord> candidates = new ArrayList<>();
        for (Candidate candidate : list.candidates()) {
            GenericRecord record = new GenericData.Record(CANDIDATE);
            record.put("id", candidate.id());
            putContent(record, candidate.content());
            record.put("retrieval_score", candidate.retrievalScore());
            record.put("attributes", candidate.attributes());
            record.put("relevance", candidate.relevance());
            candidates.add(record);
        }
        GenericRecord record = new GenericData.Record(LIST);
        record.put("request_id", list.requestId());
        record.put("instruction", list.instruction());
        record.put("attributes", list.attributes());
        record.put("query", query);
        record.put("candidates", candidates);
        record.put("top_n", list.topN());
        record.put("timeout_ms", list.timeoutMs());
        return record;
    }

    private static Content content(GenericRecord record) {
        List<Image> images = new ArrayList<>();
        for (Object image : (List<?>) record.get("images")) {
            images.add(image(image));
        }
        return new Content(Fields.optionalText(record, "text"), images);
    }

    private static Image image(Object image) {
        if (image instanceof ByteBuffer) {
            return new Image.Bytes(PlainJsonWriter.bytes(image));
        }
        // writers of Avro may use data: URIs too; a malformed one stays a reference, which no one can follow
        byte[] data = DataUri.parse(image.toString());
        return data == null ? new Image.Reference(image.toString()) : new Image.Bytes(data);
    }

    private static void putContent(GenericRecord record, Content content) {
        record.put("text", content.text());
        List<Object> images = new ArrayList<>();
        for (Image image : content.images()) {
            images.add(
                    image instanceof Image.Bytes bytes
                            ? ByteBuffer.wrap(bytes.data())
                            : ((Image.Reference) image).uri());
        }
        record.put("images", images);
    }

    private static @Nullable Double finite(@Nullable Double value) {
        return value == null || !Double.isFinite(value) ? null : value;
    }
}
