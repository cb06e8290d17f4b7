from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('searches', '0007_ensembles'),
    ]

    operations = [
        migrations.AlterField(
            model_name='artifact',
            name='format',
            field=models.CharField(choices=[('weights', 'weights (safetensors)'), ('model_zip', 'model (zip)'), ('source', 'network in plain PyTorch'), ('architecture', 'architecture, settings and lineage'), ('onnx', 'program for ONNX Runtime'), ('program', 'program for torch.export'), ('card', 'model card'), ('test_softmax', 'softmax outputs on the test set (npy)'), ('assessment', 'how it errs on the test set (json)')], max_length=16),
        ),
    ]
