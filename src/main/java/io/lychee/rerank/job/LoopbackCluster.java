package io.lychee.rerank.job;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ScheduledExecutorService;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.blob.TransientBlobService;
import org.apache.flink.runtime.dispatcher.DispatcherGateway;
import org.apache.flink.runtime.dispatcher.SessionDispatcherFactory;
import org.apache.flink.runtime.dispatcher.runner.DefaultDispatcherRunnerFactory;
import org.apache.flink.runtime.entrypoint.component.DefaultDispatcherResourceManagerComponentFactory;
import org.apache.flink.runtime.entrypoint.component.DispatcherResourceManagerComponentFactory;
import org.apache.flink.runtime.leaderelection.LeaderElection;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;
import org.apache.flink.runtime.resourcemanager.ResourceManagerGateway;
import org.apache.flink.runtime.resourcemanager.StandaloneResourceManagerFactory;
import org.apache.flink.runtime.rest.RestEndpointFactory;
import org.apache.flink.runtime.rest.handler.RestHandlerConfiguration;
import org.apache.flink.runtime.rest.handler.legacy.metrics.MetricFetcher;
import org.apache.flink.runtime.rpc.FatalErrorHandler;
import org.apache.flink.runtime.webmonitor.WebMonitorEndpoint;
import org.apache.flink.runtime.webmonitor.retriever.LeaderGatewayRetriever;

/** Runs a mini cluster without a REST port, through which others could submit jobs. */
@SuppressWarnings("try") // close() is theirs
final class LoopbackCluster extends MiniCluster {

    LoopbackCluster(MiniClusterConfiguration configuration) {
        super(configuration);
    }

    @Override
    protected DispatcherResourceManagerComponentFactory createDispatcherResourceManagerComponentFactory() {
        return new DefaultDispatcherResourceManagerComponentFactory(
                DefaultDispatcherRunnerFactory.createSessionRunner(SessionDispatcherFactory.INSTANCE),
                StandaloneResourceManagerFactory.getInstance(),
                (RestEndpointFactory<DispatcherGateway>) ClosedEndpoint::new);
    }

    /** Closes its port as soon as it is bound; Flink has no setting that leaves it out. */
    @SuppressWarnings("try") // close() is theirs
    private static final class ClosedEndpoint extends WebMonitorEndpoint<DispatcherGateway> {

        private CompletableFuture<Void> closed = new CompletableFuture<>();

        ClosedEndpoint(
                Configuration configuration,
                LeaderGatewayRetriever<DispatcherGateway> dispatcher,
                LeaderGatewayRetriever<ResourceManagerGateway> resourceManager,
                TransientBlobService blobs,
                ScheduledExecutorService executor,
                MetricFetcher metrics,
                LeaderElection leaderElection,
                FatalErrorHandler fatalErrors)
                throws Exception {
            super(
                    dispatcher,
                    configuration,
                    RestHandlerConfiguration.fromConfiguration(configuration),
                    resourceManager,
                    blobs,
                    executor,
                    metrics,
                    leaderElection,
                    RestEndpointFactory.createExecutionGraphCache(
                            RestHandlerConfiguration.fromConfiguration(configuration)),
                    fatalErrors);
        }

        @Override
        public void startInternal() {
            closed = super.shutDownInternal();
        }

        @Override
        protected CompletableFuture<Void> shutDownInternal() {
            return closed;
        }
    }
}
