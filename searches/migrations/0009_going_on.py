import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('searches', '0008_assessment'),
    ]

    operations = [
        migrations.AddField(
            model_name='search',
            name='went_on',
            field=models.JSONField(default=list, help_text='its marks: when it was told to go on, from where, with what'),
        ),
        migrations.CreateModel(
            name='Refusal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('thing', models.CharField(help_text='in what worker and training differ', max_length=32)),
                ('words', models.TextField()),
                ('candidate', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='refusals', to='searches.candidate')),
                ('worker', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='refusals', to='searches.worker')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('worker', 'candidate'), name='one_refusal_per_worker')],
            },
        ),
    ]
